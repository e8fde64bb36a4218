"""Takes of different classes with the same faces, as when one take was copied into two classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from fer_core.preprocess import Faces
from fer_core.teach.result import CopiedTake

NEAR: Final = 4
"""Bits of 64 in which the perceptual hashes of near-duplicates may differ, as in the audit of data sets."""
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
            a, b = sorted((hashes[i], hashes[k]), key=len)
            some = a[np.linspace(0, len(a) - 1, min(len(a), COMPARED)).round().astype(int)]
            share = float((np.bitwise_count(some[:, None] ^ b[None]) <= NEAR).any(axis=1).mean())
            if share >= COPIED:
                found.append(
                    CopiedTake(
                        first=first, second=second, first_class=first_class, second_class=second_class,
                        faces=round(share * len(a)), share=share,
                    )
                )  # fmt: skip
    return tuple(sorted(found, key=lambda one: -one.share))
