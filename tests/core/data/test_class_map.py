from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.config import MappedClass
from fer_core.data.class_map import (
    SavedClassMap,
    apply_class_map,
    compose,
    describe,
    make_class_map,
    parse_merge,
)
from fer_core.errors import ConfigError, DataError, WorkspaceError
from tests.factories import make_dataset

SEVEN = ClassList.fer2013()
THREE = make_class_map(
    SEVEN,
    [("positive", ["happy", "surprise"]), ("negative", ["angry", "disgust", "fear", "sad"])],
    order=["positive", "neutral"],
)


def names(class_map):
    return [(mapped.name, mapped.sources) for mapped in class_map]


def test_classes_are_merged_renamed_dropped_and_reordered():
    assert names(THREE) == [
        ("positive", ("happy", "surprise")),
        ("neutral", ("neutral",)),
        ("negative", ("angry", "disgust", "fear", "sad")),
    ]
    renamed = make_class_map(SEVEN, [("mad", ["Anger"])], drop=["disgusted"])
    assert names(renamed)[0] == ("mad", ("angry",))
    assert len(renamed) == 6
    assert describe(renamed, SEVEN) == "mad = angry; fear; happy; sad; surprise; neutral; dropped: disgust"


def test_a_map_that_changes_nothing_is_no_map():
    assert make_class_map(SEVEN) == ()
    assert make_class_map(SEVEN, [("happy", ["happy"])], order=SEVEN.names) == ()


@pytest.mark.parametrize(
    ("merge", "drop", "message"),
    [
        ([("a", ["happy", "calm"])], [], "'calm' is not a class here"),
        ([("a", ["happy"]), ("b", ["joy"])], [], "'happy' is merged twice"),
        ([("a", ["happy"])], ["happy"], "both merged and dropped"),
        ([("neutral", ["happy"])], [], "A class 'neutral' already exists"),
        ([("Neutral", ["happy"])], [], "only in case"),
        ([("all", SEVEN)], [], "Only one class, 'all'"),
        ([], SEVEN[1:], "Only one class, 'angry'"),
        ([(" ", ["happy"])], [], "name is empty"),
        ([("x" * 200, ["happy"])], [], "200 characters"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(merge, drop, message):
    with pytest.raises(DataError, match=message):
        make_class_map(SEVEN, merge, drop)


def test_a_merge_is_written_as_on_the_command_line():
    assert parse_merge(" negative = angry, sad ") == ("negative", ("angry", "sad"))
    for text in ("negative", "=angry", "negative=", "negative=,"):
        with pytest.raises(ConfigError, match="NAME=CLASS,CLASS"):
            parse_merge(text)


def test_faces_follow_their_classes_and_the_fingerprint_stays():
    dataset = make_dataset()
    mapped = apply_class_map(dataset, THREE)
    assert mapped.classes.names == ("positive", "neutral", "negative")
    assert np.bincount(mapped.labels).tolist() == [80, 40, 160]
    assert (mapped.fingerprint, len(mapped)) == (dataset.fingerprint, len(dataset))
    assert mapped.cache_key != dataset.cache_key
    for old, new in zip(dataset.labels, mapped.labels, strict=True):
        assert SEVEN[old] in mapped.class_map[new].sources


def test_faces_of_dropped_classes_are_left_out_and_counted():
    dataset = make_dataset()
    mapped = apply_class_map(dataset, make_class_map(SEVEN, drop=["fear", "sad"]))
    assert len(mapped) == 200
    assert "80 faces of 'fear' and 'sad'" in mapped.warnings[-1]
    assert {mapped.label_name(i) for i in range(len(mapped))} == {"angry", "disgust", "happy", "surprise", "neutral"}


def test_votes_of_merged_classes_are_added_and_other_columns_stay():
    base = make_dataset(7, 7, 7)
    votes = np.arange(21 * 3).reshape(21, 3).astype(np.int64)
    mapped = apply_class_map(
        type(base)("v", base.images, base.labels, base.split, base.ids, SEVEN, votes, ("happiness", "surprise", "unknown")),
        THREE,
    )  # fmt: skip
    assert mapped.vote_columns == ("positive", "neutral", "negative", "unknown")
    assert mapped.votes.tolist() == [[a + b, 0, 0, c] for a, b, c in votes.tolist()]


def test_two_maps_in_a_row_are_one_map():
    second = make_class_map(ClassList(("positive", "neutral", "negative")), [("other", ["neutral", "positive"])])
    both = compose(THREE, second)
    assert names(both) == [
        ("other", ("happy", "surprise", "neutral")),
        ("negative", ("angry", "disgust", "fear", "sad")),
    ]
    dataset = make_dataset()
    twice = apply_class_map(apply_class_map(dataset, THREE), second)
    once = apply_class_map(dataset, both)
    assert twice.class_map == once.class_map == both
    assert np.array_equal(twice.labels, once.labels)
    with pytest.raises(DataError, match="does not have"):
        compose(THREE, make_class_map(SEVEN, drop=["fear"]))


def test_a_map_for_other_data_is_refused():
    with pytest.raises(DataError, match="'calm', which this data set does not have"):
        apply_class_map(
            make_dataset(), (MappedClass(name="a", sources=("calm",)), MappedClass(name="b", sources=("sad",)))
        )


def test_a_saved_map_holds_until_it_is_undone(workspace):
    saved = SavedClassMap.of(make_dataset(), workspace)
    assert saved.current() == ()
    assert not saved.can_undo
    other = make_class_map(SEVEN, drop=["fear"])
    saved.save(THREE, SEVEN)
    saved.save(THREE, SEVEN)
    saved.save(other, SEVEN)
    assert SavedClassMap(saved.fingerprint, workspace).current() == other
    assert saved.undo() == THREE
    saved.save((), SEVEN)
    assert saved.current() == ()
    assert saved.undo() == THREE
    assert saved.undo() == ()
    assert saved.undo() == ()


def test_maps_for_labels_and_for_votes_lie_apart(workspace):
    dataset = make_dataset()
    SavedClassMap.of(dataset, workspace).save(THREE, SEVEN)
    assert SavedClassMap(dataset.fingerprint, workspace, "votes").current() == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"fingerprint": "F", "maps": [[{"name": "a"}]]}',
        b'{"fingerprint": "F", "maps": [[{"name": "a", "sources": ["x"]}]]}',
        b'{"fingerprint": "F", "maps": [[{"name": "a", "sources": ["x"]}, {"name": "A", "sources": ["y"]}]]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_named_and_left_as_it_is(workspace, content):
    saved = SavedClassMap("F", workspace)
    saved.path.parent.mkdir(parents=True)
    saved.path.write_bytes(content)
    with pytest.raises(DataError, match="not a class map, or is damaged"):
        saved.current()
    with pytest.raises(DataError):
        saved.save(THREE, SEVEN)
    assert saved.path.read_bytes() == content


def test_a_file_of_another_fingerprint_is_refused(workspace):
    saved = SavedClassMap("a" * 64, workspace)
    saved.save(THREE, SEVEN)
    record = json.loads(saved.path.read_text())
    saved.path.write_text(json.dumps({**record, "fingerprint": "a" * 16 + "b" * 48}))
    with pytest.raises(DataError, match="belongs to other data"):
        saved.current()


def test_a_place_that_cannot_be_written_is_said(workspace):
    workspace.root.mkdir(parents=True, exist_ok=True)
    workspace.classes.write_text("a file where the folder should be")
    with pytest.raises(WorkspaceError):
        SavedClassMap("F", workspace).save(THREE, SEVEN)
