from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fer_core.classes import LABELS
from fer_core.data import FaceDataset, make_split
from fer_core.data.duplicates import has_copy, pixel_groups
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
    assert split.honest is None
    assert split.warning is None


def test_official_says_how_many_validation_faces_stand_in_train():
    split = make_split(with_copies(), "official", 0.1, 0)
    assert split.warning is not None
    assert "14 of the 70 validation faces (20.0%)" in split.warning


def test_official_without_validation_faces_points_to_holdout():
    with pytest.raises(DataError, match="Choose the protocol holdout"):
        make_split(make_dataset(valid=0), "official", 0.1, 0)


def test_holdout_keeps_copies_on_one_side():
    dataset = with_copies()
    for seed in range(10):
        split = make_split(dataset, "holdout", 0.3, seed)
        groups = pixel_groups(dataset.images)
        assert not has_copy(groups, split.valid, split.train).any()
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
    assert split.honest is not None
    assert len(split.honest) == 70 - 14
    assert (dataset.split[split.honest] == "valid").all()
    assert not has_copy(pixel_groups(dataset.images), split.honest, split.train).any()


@pytest.mark.parametrize("copies_only", [False, True])
def test_leaky_without_usable_validation_faces_holds_some_out_before(copies_only):
    dataset = with_copies(valid=14 if copies_only else 0)
    if copies_only:
        images = dataset.images.copy()
        images[140:154] = images[:14]
        dataset = dataclasses.replace(dataset, images=images, fingerprint="")
    split = make_split(dataset, "leaky", 0.2, 3)
    assert split.honest is not None
    assert len(split.honest) > 0
    assert not has_copy(pixel_groups(dataset.images), split.honest, split.train).any()
    assert set(split.valid) <= set(split.train)
    assert (dataset.split[split.honest] == "train").all()


@pytest.mark.parametrize("protocol", ["official", "holdout", "leaky"])
def test_no_protocol_touches_the_test_split(protocol):
    dataset = with_copies()
    split = make_split(dataset, protocol, 0.3, 1)
    for part in (split.train, split.valid, split.honest):
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
    assert len(dataset) == len(LABELS) * 20
    with pytest.raises(DataError, match="no faces in its train split"):
        make_split(dataset, "holdout", 0.1, 0)


@pytest.mark.real_data
def test_the_protocols_of_fer2013_have_the_known_sizes(fer2013):
    official, leaky = (make_split(fer2013, p, 0.1, 0) for p in ("official", "leaky"))
    assert (len(official.train), len(official.valid)) == (28709, 3589)
    assert official.warning is not None
    assert "280 of the 3,589" in official.warning
    assert leaky.honest is not None
    assert (len(leaky.train), len(leaky.honest)) == (28709, 3589 - 280)
