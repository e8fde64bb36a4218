from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fer_core.data.dataset import FaceDataset, find_split
from fer_core.errors import DataError
from tests.factories import make_dataset


def fields(**changes):
    base = make_dataset(7, 7, 7)
    values = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    return {**values, "fingerprint": "", **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((0, 48, 48), np.uint8)}, "contains no faces"),
        ({"images": np.zeros((21, 47, 48), np.uint8)}, "must be uint8"),
        ({"images": np.zeros((21, 48, 48), np.float32)}, "must be uint8"),
        ({"labels": np.zeros(20, np.int64)}, "labels must have shape"),
        ({"labels": np.zeros(21, np.int32)}, "labels must be int64"),
        ({"labels": np.full(21, 7, np.int64)}, "must be in 0…6"),
        ({"labels": np.full(21, -1, np.int64)}, "must be in 0…6"),
        ({"split": np.array(["dev"] * 21)}, "unknown splits"),
        ({"ids": np.array(["same"] * 21)}, "same id"),
        ({"votes": np.zeros((21, 8), np.int64)}, "votes must have shape"),
    ],
)
def test_a_data_set_that_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        FaceDataset(**fields(**changes))


def test_arrays_of_a_data_set_cannot_be_changed():
    dataset = make_dataset()
    with pytest.raises(ValueError, match="read-only"):
        dataset.images[0] = 0


def test_the_fingerprint_follows_every_part_of_the_content_and_nothing_else():
    original = FaceDataset(**fields())
    assert FaceDataset(**fields(name="other", warnings=("a",))).fingerprint == original.fingerprint
    changed = [
        {"images": np.where(np.arange(21)[:, None, None] == 3, 255 - original.images, original.images)},
        {"labels": np.roll(original.labels, 1)},
        {"split": np.roll(original.split, 7)},
        {"ids": np.roll(original.ids, 1)},
    ]
    prints = [FaceDataset(**fields(**change)).fingerprint for change in changed]
    assert len({original.fingerprint, *prints}) == 5


def test_counts_are_told_by_split_and_class():
    dataset = make_dataset(14, 7, 0)
    assert dataset.counts() == {"train": 14, "valid": 7, "test": 0}
    assert set(dataset.per_class()["train"].values()) == {2}
    assert set(dataset.per_class()["test"].values()) == {0}
    assert dataset.indices("valid").tolist() == list(range(14, 21))
    with pytest.raises(DataError, match="no faces in its test split"):
        dataset.indices("test")
    with pytest.raises(DataError, match="not a split"):
        dataset.indices("dev")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Training", "train"),
        (" PublicTest ", "valid"),
        ("PrivateTest", "test"),
        ("VAL", "valid"),
        ("x", None),
        ("", None),
    ],
)
def test_splits_are_known_by_the_names_data_sets_use(name, split):
    assert find_split(name) == split


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((10, 9), ""),
        ((20, 10), "A has 2.0 times as many training faces as b."),
        ((40, 10, 0), "class weights"),
        ((5, 0), ""),
    ],
)
def test_an_imbalance_is_said_from_half_as_many_again_and_class_weights_from_three_times(counts, words):
    dataset = make_dataset(sum(counts), 0, 0, classes=("a", "b", "c")[: len(counts)])
    labels = np.repeat(np.arange(len(counts)), counts)
    said = dataclasses.replace(dataset, labels=labels, fingerprint="").imbalance()
    assert words in said
    assert bool(said) == bool(words)
