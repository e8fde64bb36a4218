from __future__ import annotations

import numpy as np
import pytest

from fer_core.images.perceptual_hash import near_pairs, perceptual_hashes


def clustered(count: int, copies: int, seed: int = 0) -> np.ndarray:
    """Random hashes, each with copies that differ in up to twelve bits."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    changed = [hashes]
    for _ in range(copies):
        copy = hashes.copy()
        for _ in range(int(rng.integers(0, 13))):
            copy ^= np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
        changed.append(copy)
    return np.concatenate(changed)


def plain_search(hashes: np.ndarray, largest: int) -> list[tuple[int, int, int]]:
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    found = [(int(bits[i, j]), int(i), int(j)) for i, j in np.argwhere(bits <= largest) if i < j]
    return [(i, j, distance) for distance, i, j in sorted(found)]


@pytest.mark.parametrize("largest", [0, 1, 4, 8, 16, 32])
@pytest.mark.parametrize(("count", "copies"), [(0, 0), (1, 0), (2, 1), (60, 5), (400, 1)])
def test_every_pair_is_found_once_closest_first(largest, count, copies):
    hashes = clustered(count, copies)
    first, second, distance = near_pairs(hashes, largest)
    assert list(zip(first.tolist(), second.tolist(), distance.tolist(), strict=True)) == plain_search(hashes, largest)


def test_equal_hashes_are_pairs_at_distance_zero():
    first, second, distance = near_pairs(np.full(5, 7, np.uint64), 4)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [
        (i, j) for i in range(5) for j in range(i + 1, 5)
    ]
    assert not distance.any()


def test_hashes_of_some_images_are_those_among_all():
    images = np.random.default_rng(0).integers(0, 256, (30, 48, 48), np.uint8)
    which = np.array([3, 29, 3, 0])
    assert (perceptual_hashes(images, which) == perceptual_hashes(images)[which]).all()
