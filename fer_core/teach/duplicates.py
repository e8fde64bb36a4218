"""Takes of different classes with the same faces, as when one take was copied into two classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.preprocess import Faces
from fer_core.teach.result import CopiedTake

NEAR: Final = 4
"""Bits of 64 in which the perceptual hashes of near-duplicates may differ, as in the audit of data sets."""
CHANGE: Final = 20.0
"""Largest change of gray values, at the 99th percentile of the pixels. A person who holds still makes two classes whose hashes hardly
differ; an eye or a mouth that moves changes more. Photos saved again as JPEG of quality 75 stay below."""
COMPARED: Final = 40
"""Faces of the smaller take that are compared, evenly spread; all of the larger one are."""
COPIED: Final = 0.5
"""Share of a take's faces with a near-duplicate in the other from which it counts as copied."""


def copied_takes(takes: Sequence[tuple[str, str]], faces: Sequence[Faces]) -> tuple[CopiedTake, ...]:
    """Return pairs of takes of different classes whose faces are near-duplicates, the largest share first.

    Args:
        takes: id and class of each take.
        faces: faces of each take, uint8 (N, 48, 48).
    """
    from fer_core.images.perceptual_hash import perceptual_hashes

    hashes = [perceptual_hashes(own) for own in faces]
    found = []
    for i, (first, first_class) in enumerate(takes):
        for k in range(i + 1, len(takes)):
            second, second_class = takes[k]
            if first_class == second_class:
                continue
            a, b = sorted((i, k), key=lambda at: len(faces[at]))
            share = _share_copied(faces[a], hashes[a], faces[b], hashes[b])
            if share >= COPIED:
                found.append(
                    CopiedTake(
                        first=first, second=second, first_class=first_class, second_class=second_class,
                        faces=round(share * len(faces[a])), share=share,
                    )
                )  # fmt: skip
    return tuple(sorted(found, key=lambda one: -one.share))


def _share_copied(
    some: Faces, some_hashes: npt.NDArray[np.uint64], others: Faces, other_hashes: npt.NDArray[np.uint64]
) -> float:
    """Return the share of faces with a near-duplicate among the others."""
    picked = np.linspace(0, len(some) - 1, min(len(some), COMPARED)).round().astype(int)
    copied = 0
    for at in picked:
        alike = np.bitwise_count(some_hashes[at] ^ other_hashes) <= NEAR
        if alike.any():
            change = np.abs(others[alike].astype(np.int16) - some[at]).reshape(int(alike.sum()), -1)
            copied += bool((np.percentile(change, 99, axis=1) <= CHANGE).any())
    return copied / len(picked)
