"""Exact copies: faces with the same pixels, found by the hash of their bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def pixel_groups(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """A group number for each image, int64 (N,); two images have the same number if and only if all pixels agree.

    Numbers count up from 0 in the order in which the groups first appear. ``images`` is (N, …) of any shape.
    """
    numbers: dict[bytes, int] = {}
    digests = (hashlib.sha256(image.tobytes()).digest() for image in images)
    groups = (numbers.setdefault(digest, len(numbers)) for digest in digests)
    return np.fromiter(groups, dtype=np.int64, count=len(images))


def has_copy(
    groups: npt.NDArray[np.int64], faces: npt.NDArray[np.int64], among: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """For each of the positions ``faces``, whether one of the positions ``among`` shows the same pixels.

    ``groups`` comes from :func:`pixel_groups` over the whole data set; the answer is bool (len(faces),).
    A face that itself stands in ``among`` has a copy there.
    """
    return np.isin(groups[faces], groups[among])
