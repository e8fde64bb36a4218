"""Exact duplicates: images with identical pixels, found by hashing their bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def pixel_groups(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Number the groups of identical images, int64 (N,): equal numbers if and only if all pixels are equal.

    Groups are numbered from 0 in order of first appearance. ``images`` has any shape (N, …).
    """
    numbers: dict[bytes, int] = {}
    digests = (hashlib.sha256(image.tobytes()).digest() for image in images)
    groups = (numbers.setdefault(digest, len(numbers)) for digest in digests)
    return np.fromiter(groups, dtype=np.int64, count=len(images))


def has_duplicate(
    groups: npt.NDArray[np.int64], faces: npt.NDArray[np.int64], among: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return whether each of ``faces`` has an exact duplicate in ``among``, bool (len(faces),).

    Both are positions in the data set; ``groups`` is :func:`pixel_groups` of the whole data set. A face that is
    itself in ``among`` counts as its own duplicate.
    """
    return np.isin(groups[faces], groups[among])
