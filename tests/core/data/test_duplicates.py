from __future__ import annotations

import numpy as np
import pytest

from fer_core.data.duplicates import has_duplicate, pixel_groups


def test_groups_are_numbered_in_the_order_they_appear():
    a, b, c = (np.full((48, 48), v, np.uint8) for v in (9, 5, 7))
    assert pixel_groups(np.stack([a, b, a, c, b, a])).tolist() == [0, 1, 0, 2, 1, 0]


def test_one_pixel_makes_another_group():
    images = np.zeros((2, 48, 48), np.uint8)
    images[1, 47, 47] = 1
    assert pixel_groups(images).tolist() == [0, 1]


def test_groups_agree_with_comparing_every_pair():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (60, 2, 2)).astype(np.uint8)
    groups = pixel_groups(images)
    same = (images[:, None] == images[None]).all(axis=(2, 3))
    assert ((groups[:, None] == groups[None]) == same).all()


def test_no_images_make_no_groups():
    assert pixel_groups(np.zeros((0, 48, 48), np.uint8)).shape == (0,)


def test_a_copy_is_looked_for_only_among_the_faces_named():
    groups = np.array([0, 1, 0, 2])
    assert has_duplicate(groups, np.array([0, 1, 3]), np.array([2, 3])).tolist() == [True, False, True]


@pytest.mark.real_data
def test_fer2013_has_the_duplicates_that_are_known_of_it(fer2013):
    dataset = fer2013
    groups = pixel_groups(dataset.images)
    sizes = np.bincount(groups)
    assert (sizes > 1).sum() == 1516
    assert (sizes - 1).sum() == 1853
    train, valid, test = (dataset.indices(split) for split in ("train", "valid", "test"))
    assert has_duplicate(groups, test, train).sum() == 288
    assert has_duplicate(groups, valid, train).sum() == 280
    outside = np.concatenate([train, valid])
    assert has_duplicate(groups, test, outside).sum() == 314
    pairs = np.unique(np.stack([groups, dataset.labels]), axis=1)
    conflicting = np.flatnonzero(np.bincount(pairs[0]) > 1)
    assert len(conflicting) == 57
    assert np.isin(groups, conflicting).sum() == 160
