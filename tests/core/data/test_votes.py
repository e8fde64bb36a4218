from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data import load
from fer_core.data.class_map import make_class_map
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.data.votes import class_votes, columns_of, label_by_votes, majority, vote_targets, without_outliers
from fer_core.errors import ConfigError, DataError
from tests.factories import make_dataset
from tests.source_factory import png, write_folder

EIGHT = ClassList.ferplus()


def votes(**counts: int) -> list[int]:
    return [counts.get(column, 0) for column in FERPLUS_COLUMNS]


def ferplus_majority(**counts: int) -> str | None:
    label = int(majority(np.array([votes(**counts)]), FERPLUS_COLUMNS, EIGHT)[0])
    return None if label < 0 else EIGHT[label]


def test_columns_meet_classes_by_name():
    assert columns_of(FERPLUS_COLUMNS, ClassList.fer2013()) == [4, 5, 6, 1, 3, 2, 0]
    assert columns_of(("b", "x"), ClassList(("a", "b"))) == [None, 0]
    assert columns_of(("joy", "happy"), ClassList(("happy", "joy"))) == [1, 0]
    assert columns_of(("joy", "happy"), ClassList(("happy", "sad"))) == [1, None]


def test_votes_are_put_in_the_order_of_the_classes():
    row = class_votes(
        np.array([votes(neutral=1, happiness=2, surprise=3, sadness=4, anger=5, disgust=6, fear=7, NF=9)]),
        FERPLUS_COLUMNS,
        ClassList.fer2013(),
    )[0]
    assert dict(zip(ClassList.fer2013(), row.tolist(), strict=True)) == {
        "angry": 5, "disgust": 6, "fear": 7, "happy": 2, "sad": 4, "surprise": 3, "neutral": 1,
    }  # fmt: skip
    assert class_votes(np.array([[3]]), ("b",), ClassList(("a", "b"))).tolist() == [[0, 3]]


@pytest.mark.parametrize(
    ("counts", "label"),
    [
        ({"anger": 10}, "angry"),
        ({"anger": 6, "fear": 4}, "angry"),
        ({"anger": 5, "fear": 5}, None),
        ({"anger": 5, "fear": 4, "sadness": 1}, "angry"),  # the single vote is left out, 5 of 9
        ({"anger": 4, "fear": 2, "sadness": 2, "neutral": 1, "contempt": 1}, None),  # 4 of 8
        ({"contempt": 7, "neutral": 3}, "contempt"),
        ({"unknown": 6, "anger": 4}, None),
        ({"NF": 10}, None),
        ({"anger": 5, "unknown": 4, "NF": 1}, "angry"),
        ({"anger": 4, "unknown": 2, "NF": 2}, None),
        ({}, None),
        ({"anger": 1}, "angry"),
        ({"anger": 1, "fear": 1}, None),
        ({"anger": 2, "fear": 1}, "angry"),
    ],
)
def test_the_majority_is_more_than_half_of_the_votes_that_are_no_outliers(counts, label):
    assert ferplus_majority(**counts) == label


def test_the_majority_agrees_with_a_slow_plain_one():
    rng = np.random.default_rng(0)
    table = rng.multinomial(10, [0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.02, 0.04, 0.04], 500)
    found = majority(table, FERPLUS_COLUMNS, EIGHT)
    for row, label in zip(table.tolist(), found.tolist(), strict=True):
        kept = [n if n > 1 or max(row) < 2 else 0 for n in row]
        winners = [c for c, n in zip(FERPLUS_COLUMNS, kept, strict=True) if n > sum(kept) / 2]
        expected = EIGHT.find(winners[0]) if winners else None
        assert label == (-1 if expected is None else expected)
    assert (without_outliers(table) <= table).all()


def ferplus_target(**counts: int) -> dict[str, float] | None:
    targets, has_target = vote_targets(np.array([votes(**counts)]), FERPLUS_COLUMNS, EIGHT)
    assert targets.dtype == np.float32
    if not has_target[0]:
        assert not targets.any()
        return None
    return {name: round(share, 4) for name, share in zip(EIGHT, targets[0].tolist(), strict=True) if share}


@pytest.mark.parametrize(
    ("counts", "target"),
    [
        ({"anger": 10}, {"angry": 1.0}),
        ({"anger": 6, "fear": 4}, {"angry": 0.6, "fear": 0.4}),
        ({"anger": 6, "fear": 3, "sadness": 1}, {"angry": 0.6667, "fear": 0.3333}),  # one vote is an outlier
        ({"contempt": 5, "neutral": 3, "unknown": 2}, {"contempt": 0.625, "neutral": 0.375}),
        ({"anger": 4, "unknown": 3, "NF": 1}, {"angry": 1.0}),  # 4 of the 7 that remain
        ({"anger": 4, "unknown": 2, "NF": 2}, None),  # half
        ({"anger": 4, "unknown": 6}, None),
        ({"NF": 10}, None),
        ({"unknown": 10}, None),
        ({}, None),
        ({"anger": 1, "fear": 1}, {"angry": 0.5, "fear": 0.5}),
    ],
)
def test_targets_are_the_shares_of_the_votes_that_are_for_a_class(counts, target):
    assert ferplus_target(**counts) == target


def test_targets_are_for_the_classes_at_hand():
    table = np.array([votes(contempt=3, anger=5, fear=2), votes(contempt=8, anger=2)])
    targets, has_target = vote_targets(table, FERPLUS_COLUMNS, ClassList(("fear", "Wut", "angry")))
    assert has_target.tolist() == [True, False]
    np.testing.assert_allclose(targets, [[2 / 7, 0, 5 / 7], [0, 0, 0]], rtol=1e-6)
    nobody, none = vote_targets(np.zeros((0, 2), np.int64), ("a", "b"), ClassList(("a", "b")))
    assert nobody.shape == (0, 2)
    assert none.shape == (0,)


def with_votes(table: np.ndarray, columns: tuple[str, ...]):
    return dataclasses.replace(make_dataset(train=len(table), valid=0, test=0), votes=table, vote_columns=columns)


def test_the_labels_of_ferplus_have_its_eight_classes():
    table = np.array([votes(contempt=10), votes(anger=10), votes(NF=10), votes(happiness=10)])
    before = with_votes(table, FERPLUS_COLUMNS)
    dataset = label_by_votes(before)
    assert dataset.classes == EIGHT
    assert dataset.truth == "votes"
    assert dataset.ids.tolist() == ["face 0", "face 1", "face 3"]
    assert [dataset.label_name(i) for i in range(3)] == ["contempt", "angry", "happy"]
    assert (dataset.images == before.images[[0, 1, 3]]).all()
    assert dataset.votes is not None
    assert dataset.votes.tolist() == table[[0, 1, 3]].tolist()
    assert dataset.fingerprint == before.fingerprint
    assert dataset.cache_key != before.cache_key
    assert dataset.warnings == ("1 of 4 faces have no majority of votes for a class; they are excluded.",)


def test_ones_own_votes_have_the_classes_that_were_voted_on():
    dataset = label_by_votes(with_votes(np.array([[3, 0, 0], [0, 3, 0], [0, 0, 3]]), ("sadness", "odd", "joy")))
    assert dataset.classes.names == ("happy", "sad")
    assert dataset.labels.tolist() == [1, 0]


def test_votes_that_cannot_be_labels_are_refused():
    with pytest.raises(DataError, match=r"has no votes.*fer2013new.csv.*votes.csv.*--votes FILE"):
        label_by_votes(make_dataset())
    with pytest.raises(DataError, match="has votes for 1 of its classes"):
        label_by_votes(with_votes(np.array([[3, 0]]), ("happy", "odd")))
    with pytest.raises(DataError, match="none of its 2 faces has a majority"):
        label_by_votes(with_votes(np.array([[0, 0], [1, 1]]), ("happy", "sad")))
    with pytest.raises(ConfigError, match="choose one of labels, votes"):
        load("synthetic:70", truth="people")  # type: ignore[arg-type]


def test_load_takes_the_truth_before_the_class_map(tmp_path):
    files = {f"{name}/{i}.png": png(10 * k + i) for k, name in enumerate("abc") for i in range(2)}
    source = write_folder(tmp_path / "faces", files)
    lines = ["a/0.png,0,3,0,0", "a/1.png,0,0,0,3", "b/0.png,3,0,0,0", "b/1.png,0,0,3,0"]
    (source / "votes.csv").write_text("\n".join(["file,a,b,c,nothing", *lines]))
    for _ in range(2):
        dataset = load(source, truth="votes")
        assert dataset.ids.tolist() == ["a/0.png", "b/0.png", "b/1.png"]
        assert [dataset.label_name(i) for i in range(3)] == ["b", "a", "c"]
    assert load(source).labels.tolist() == [0, 0, 1, 1, 2, 2]
    mapped = load(source, truth="votes", class_map=lambda faces: make_class_map(faces.classes, drop=["c"]))
    assert mapped.ids.tolist() == ["a/0.png", "b/0.png"]
    assert mapped.truth == "votes"
    (source / "votes.csv").write_text("file,x\na/0.png,1\n")
    with pytest.raises(DataError, match=r"has no votes.*The votes beside the source were not used"):
        load(source, truth="votes")


@pytest.mark.real_data
def test_the_majorities_of_ferplus_are_the_known_ones(fer2013):
    dataset = label_by_votes(fer2013)
    assert dataset.counts() == {"train": 25060, "valid": 3199, "test": 3153}
    assert dataset.fingerprint == fer2013.fingerprint
    assert dataset.warnings == ("4,475 of 35,887 faces have no majority of votes for a class; they are excluded.",)


@pytest.mark.real_data
def test_the_soft_targets_of_ferplus_are_the_known_ones(fer2013):
    assert fer2013.votes is not None
    targets, has_target = vote_targets(fer2013.votes, fer2013.vote_columns, EIGHT)
    faces = {split: int(has_target[fer2013.split == split].sum()) for split in ("train", "valid", "test")}
    assert faces == {"train": 28416, "valid": 3555, "test": 3552}
    np.testing.assert_allclose(targets[has_target].sum(axis=1), 1, atol=1e-6)
    labels = majority(fer2013.votes, fer2013.vote_columns, EIGHT)
    assert has_target[labels >= 0].all()
    assert (targets.argmax(axis=1) == labels)[labels >= 0].all()
