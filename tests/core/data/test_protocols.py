from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data import FaceDataset, make_split
from fer_core.data.duplicates import has_duplicate, pixel_groups
from fer_core.errors import ConfigError, DataError
from tests.factories import make_dataset


def with_copies(train: int = 140, valid: int = 70, test: int = 70) -> FaceDataset:
    """Every tenth training face is a copy of the one before; every fifth validation face one of a training face."""
    dataset = make_dataset(train, valid, test)
    images = dataset.images.copy()
    images[9:train:10] = images[8 : train - 1 : 10]
    images[train : train + valid : 5] = images[: len(range(0, valid, 5))]
    return dataclasses.replace(dataset, images=images, fingerprint="")


def test_official_takes_the_splits_of_the_data_set():
    dataset = make_dataset()
    split = make_split(dataset, "official", 0.1, 0)
    assert split.train.tolist() == list(range(140))
    assert split.valid.tolist() == list(range(140, 210))
    assert split.leak_free is None
    assert split.warning is None


def test_official_says_how_many_validation_faces_stand_in_train():
    split = make_split(with_copies(), "official", 0.1, 0)
    assert split.warning is not None
    assert "14 of the 70 validation faces (20.0%)" in split.warning


def test_official_without_validation_faces_holds_some_out_and_says_so():
    dataset = with_copies(valid=0)
    split = make_split(dataset, "official", 0.2, 3)
    same = make_split(dataset, "holdout", 0.2, 3)
    assert split.protocol == "official"
    assert split.train.tolist() == same.train.tolist()
    assert split.valid.tolist() == same.valid.tolist()
    assert split.warning == (
        f"tiny has no validation faces of its own, so {len(split.valid)} of the 140 training faces validate. Exact "
        "duplicates stay on one side."
    )
    assert same.warning is None
    with pytest.raises(ConfigError):
        make_split(dataset, "official", 1.0, 3)


def test_holdout_keeps_copies_on_one_side():
    dataset = with_copies()
    for seed in range(10):
        split = make_split(dataset, "holdout", 0.3, seed)
        groups = pixel_groups(dataset.images)
        assert not has_duplicate(groups, split.valid, split.train).any()
        assert sorted([*split.train, *split.valid]) == list(range(140))


def test_holdout_takes_the_share_of_every_class():
    dataset = make_dataset(train=700)
    split = make_split(dataset, "holdout", 0.2, 0)
    assert np.bincount(dataset.labels[split.valid], minlength=7).tolist() == [20] * 7


def test_holdout_leaves_every_class_something_to_train_on():
    dataset = make_dataset(train=14)
    split = make_split(dataset, "holdout", 0.89, 0)
    assert set(dataset.labels[split.train]) == set(range(7))
    assert set(dataset.labels[split.valid]) == set(range(7))


def test_a_class_of_one_face_trains():
    dataset = make_dataset(train=15)  # the last of 15 faces makes class 0 one larger than the rest
    few = dataclasses.replace(dataset, labels=np.array([6] + [0] * (len(dataset) - 1)), fingerprint="")
    split = make_split(few, "holdout", 0.5, 0)
    assert 0 in split.train


def test_holdout_of_one_face_is_refused():
    with pytest.raises(DataError, match="too few training faces"):
        make_split(make_dataset(train=1), "holdout", 0.5, 0)


def test_leaky_validates_on_faces_it_trains_on():
    split = make_split(make_dataset(), "leaky", 0.1, 0)
    assert split.train.tolist() == list(range(140))
    assert len(split.valid) == 14
    assert set(split.valid) <= set(split.train)
    assert split.warning is not None
    assert split.warning.startswith("Leaky")


def test_the_honest_faces_of_leaky_are_validation_faces_without_a_copy_in_train():
    dataset = with_copies()
    split = make_split(dataset, "leaky", 0.1, 0)
    assert split.leak_free is not None
    assert len(split.leak_free) == 70 - 14
    assert (dataset.split[split.leak_free] == "valid").all()
    assert not has_duplicate(pixel_groups(dataset.images), split.leak_free, split.train).any()


@pytest.mark.parametrize("copies_only", [False, True])
def test_leaky_without_usable_validation_faces_holds_some_out_before(copies_only):
    dataset = with_copies(valid=14 if copies_only else 0)
    if copies_only:
        images = dataset.images.copy()
        images[140:154] = images[:14]
        dataset = dataclasses.replace(dataset, images=images, fingerprint="")
    split = make_split(dataset, "leaky", 0.2, 3)
    assert split.leak_free is not None
    assert len(split.leak_free) > 0
    assert not has_duplicate(pixel_groups(dataset.images), split.leak_free, split.train).any()
    assert set(split.valid) <= set(split.train)
    assert (dataset.split[split.leak_free] == "train").all()


@pytest.mark.parametrize("protocol", ["official", "holdout", "leaky"])
def test_no_protocol_touches_the_test_split(protocol):
    dataset = with_copies()
    split = make_split(dataset, protocol, 0.3, 1)
    for part in (split.train, split.valid, split.leak_free):
        if part is not None:
            assert part.dtype == np.int64
            assert (np.diff(part) > 0).all()
            assert (dataset.split[part] != "test").all()


@pytest.mark.parametrize("protocol", ["holdout", "leaky"])
def test_the_seed_decides_the_choice(protocol):
    dataset = with_copies()
    one, again, other = (make_split(dataset, protocol, 0.2, seed).valid.tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("protocol", "share"), [("fair", 0.1), ("holdout", 0.0), ("leaky", 1.0), ("holdout", float("nan"))]
)
def test_impossible_settings_are_refused(protocol, share):
    with pytest.raises(ConfigError):
        make_split(make_dataset(), protocol, share, 0)


def test_without_training_faces_there_is_no_protocol():
    dataset = make_dataset(train=0)
    assert len(dataset) == 140
    with pytest.raises(DataError, match="no faces in its train split"):
        make_split(dataset, "holdout", 0.1, 0)


def of_persons(persons: list[str], labels: list[int], valid: int = 0, classes: int = 3) -> FaceDataset:
    """One face for each of ``persons``, the last ``valid`` of them in the valid split."""
    n = len(persons)
    images = np.random.default_rng(0).integers(0, 256, (n, 48, 48)).astype(np.uint8)
    return FaceDataset(
        "people",
        images,
        np.array(labels),
        np.array(["train"] * (n - valid) + ["valid"] * valid),
        np.array([f"face {i}" for i in range(n)]),
        ClassList(tuple(f"class {i}" for i in range(classes))),
        groups=np.array(persons),
    )


def persons_of(dataset: FaceDataset, faces: np.ndarray) -> set[str]:
    assert dataset.groups is not None
    return set(dataset.groups[faces].tolist()) - {""}


@pytest.mark.parametrize("protocol", ["official", "holdout"])
def test_whole_persons_are_held_out(protocol):
    persons = [f"p{i % 10}" for i in range(300)]
    dataset = of_persons(persons, [i % 3 for i in range(300)])
    seen = set()
    for seed in range(5):
        split = make_split(dataset, protocol, 0.2, seed)
        assert len(split.valid) == 60
        assert len(split.train) == 240
        assert not persons_of(dataset, split.train) & persons_of(dataset, split.valid)
        assert np.bincount(dataset.labels[split.valid]).tolist() == [20, 20, 20]
        assert split.warning is not None
        assert (
            "60 of the 300 training faces validate. Whole persons or sessions were held out: 2 of 10." in split.warning
        )
        seen.add(tuple(split.valid.tolist()))
    assert len(seen) > 1


def test_persons_who_share_a_picture_stay_together():
    dataset = of_persons(["a"] * 6 + ["b"] * 6 + ["c"] * 6 + ["d"] * 6, [0, 1, 2] * 8)
    images = dataset.images.copy()
    images[6] = images[0]  # a and b are one person under two names, or one picture went to both
    dataset = dataclasses.replace(dataset, images=images, fingerprint="")
    for seed in range(20):
        valid = persons_of(dataset, make_split(dataset, "holdout", 0.3, seed).valid)
        assert valid
        assert ("a" in valid) == ("b" in valid)


@pytest.mark.parametrize("seed", range(60))
def test_no_group_and_no_copy_ever_stands_on_both_sides(seed):
    rng = np.random.default_rng(seed)
    n, people, classes = int(rng.integers(4, 200)), int(rng.integers(1, 12)), int(rng.integers(2, 9))
    persons = np.array(["", *(f"p{i}" for i in range(people))])[rng.integers(0, people + 1, n)]
    dataset = of_persons(persons.tolist(), rng.integers(0, classes, n).tolist(), int(rng.integers(0, n // 3)), classes)
    images = dataset.images.copy()
    for to, source in rng.integers(0, n, (n // 20, 2)):
        images[to] = images[source]
    dataset = dataclasses.replace(dataset, images=images, fingerprint="")
    copies = pixel_groups(images)
    own_valid = (dataset.split == "valid").any()
    for protocol in ("official", "holdout", "leaky"):
        try:
            split = make_split(dataset, protocol, float(rng.uniform(0.05, 0.6)), seed)
        except DataError as error:
            assert "too few training faces" in str(error)  # noqa: PT017 - tiny sets cannot be divided
            continue
        if protocol == "official" and own_valid:
            continue  # the data set's own splits are not ours to change
        apart = split.valid if split.leak_free is None else split.leak_free
        assert len(apart) > 0
        assert len(split.train) > 0
        assert not has_duplicate(copies, apart, split.train).any()
        assert split.warning is not None
        if "are on both sides" not in split.warning:
            assert not persons_of(dataset, apart) & persons_of(dataset, split.train)
        if protocol != "leaky":
            train = dataset.labels[dataset.split == "train"]
            assert set(dataset.labels[split.train]) == set(train)
            assert len(split.train) + len(split.valid) == len(train)


def test_each_class_of_two_persons_or_more_validates_although_persons_differ():
    persons, labels = [], []
    for person in range(8):  # each knows two of four classes
        for label in (person % 4, (person + 1) % 4):
            persons += [f"p{person}"] * 5
            labels += [label] * 5
    for seed in range(20):
        split = make_split(of_persons(persons, labels, classes=4), "holdout", 0.1, seed)
        assert set(np.array(labels)[split.valid]) == set(range(4))


def test_a_class_of_a_single_person_trains_and_is_named():
    dataset = of_persons(["a"] * 6 + ["b"] * 6 + ["c"] * 3, [0, 0, 0, 1, 1, 1] * 2 + [2] * 3)
    split = make_split(dataset, "holdout", 0.3, 0)
    assert persons_of(dataset, split.valid) in ({"a"}, {"b"})
    assert split.warning is not None
    assert split.warning.endswith("were held out: 1 of 3. None of them has faces of: class 2.")


@pytest.mark.parametrize("persons", [["a"] * 12, ["a"] * 6 + ["b"] * 6])
def test_where_persons_cannot_be_held_out_faces_are_and_it_is_said(persons):
    dataset = of_persons(persons, [0, 1] * 6 if len(set(persons)) == 1 else [0] * 6 + [1] * 6, classes=2)
    split = make_split(dataset, "official", 0.25, 0)
    assert set(dataset.labels[split.valid]) == {0, 1}
    assert split.warning is not None
    assert "Persons or sessions are on both sides" in split.warning


def test_groups_without_names_are_no_groups():
    dataset = of_persons([""] * 30, [0, 1, 2] * 10)
    plain = dataclasses.replace(dataset, groups=None)
    assert make_split(dataset, "holdout", 0.2, 1).valid.tolist() == make_split(plain, "holdout", 0.2, 1).valid.tolist()


def test_the_honest_faces_of_leaky_are_of_persons_who_do_not_train():
    persons = ["a"] * 6 + ["b"] * 6 + ["a"] * 2 + ["c"] * 2
    split = make_split(of_persons(persons, [0, 1] * 8, valid=4, classes=2), "leaky", 0.3, 0)
    assert split.leak_free is not None
    assert split.leak_free.tolist() == [14, 15]
    assert len(split.train) == 12


def test_own_validation_faces_of_persons_who_train_are_counted():
    persons = ["a"] * 6 + ["b"] * 6 + ["a"] * 2 + ["c"] * 2
    split = make_split(of_persons(persons, [0, 1] * 8, valid=4, classes=2), "official", 0.3, 0)
    assert split.warning is not None
    assert split.warning.startswith("2 of the 4 validation faces (50.0%) show persons or sessions that also train")


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_holdout_of_any_number_of_classes(count):
    for groups in ([""] * 10 * count, [f"p{i // count}" for i in range(10 * count)]):
        dataset = of_persons(groups, list(range(count)) * 10, classes=count)
        split = make_split(dataset, "holdout", 0.2, 0)
        assert np.bincount(dataset.labels[split.valid], minlength=count).tolist() == [2] * count


@pytest.mark.real_data
def test_the_protocols_of_fer2013_have_the_known_sizes(fer2013):
    official, leaky = (make_split(fer2013, p, 0.1, 0) for p in ("official", "leaky"))
    assert (len(official.train), len(official.valid)) == (28709, 3589)
    assert official.warning is not None
    assert "280 of the 3,589" in official.warning
    assert leaky.leak_free is not None
    assert (len(leaky.train), len(leaky.leak_free)) == (28709, 3589 - 280)
