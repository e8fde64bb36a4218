"""What the readers of every kind of source hand on, before it becomes a :class:`FaceDataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Progress = Callable[[int, int], None]
"""Called with (done, total) now and then while something long goes on; whatever it raises ends the work."""

MAX_FACES = 1_000_000
"""Most faces in one data set; a million of them take 2.3 GB of memory."""
MAX_ID = 512
"""Longest name of one face; NumPy keeps every id at the length of the longest."""


class BrokenFile(Exception):
    """One file or row of a data set cannot be used; ``str(error)`` is the reason, to stand after its name."""


@dataclass(frozen=True, eq=False)
class Parsed:
    """Faces read from a source, in the source's order.

    Attributes:
        images: uint8 (N, 48, 48).
        labels: int64 (N,).
        split: str (N,).
        ids: str (N,).
        broken: (name, reason) of each face that could not be read; they are not among the N.
        warnings: sentences for the user.
        rows: int64 (N,), the row of each face in its csv, counted from 0; None for images.
        row_count: rows of the csv, the broken ones too; 0 for images.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]
    broken: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    rows: npt.NDArray[np.int64] | None = None
    row_count: int = 0
