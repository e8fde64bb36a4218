"""What the readers of every kind of source hand on, before it becomes a :class:`FaceDataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.formatting import display_safe

Progress = Callable[[int, int], None]
"""Called with (done, total) now and then while something long goes on; whatever it raises ends the work."""

ClassReading = Literal["auto", "emotions", "folders"]
"""What becomes a class: emotions where all names are emotions, else the names as they are; emotions only; names only."""

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
        classes: the classes of the source.
        labels: int64 (N,), positions in ``classes``.
        split: str (N,).
        ids: str (N,).
        broken: (name, reason) of each face that could not be read; they are not among the N.
        warnings: sentences for the user.
        rows: int64 (N,), the row of each face in its csv, counted from 0; None for images.
        row_count: rows of the csv, the broken ones too; 0 for images.
        groups: str (N,), the person or session of each face, ``""`` where it has none; None if there are none at all.
        left_out: ids of faces that are in the source but have no class; they are not among the N.
    """

    images: npt.NDArray[np.uint8]
    classes: ClassList
    labels: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]
    broken: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    rows: npt.NDArray[np.int64] | None = None
    row_count: int = 0
    groups: npt.NDArray[np.str_] | None = None
    left_out: tuple[str, ...] = ()


def face_id(name: str) -> str:
    """A name with bytes that are no UTF-8, and what would steer a terminal, shown as escapes: to be stored and printed."""
    return display_safe(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def unusable(broken: tuple[tuple[str, str], ...], total: int) -> str:
    """What is wrong with some of ``total`` faces, the first three by name; a sentence without its full stop."""
    shown = "; ".join(f"{who} {why}" for who, why in broken[:3])
    more = f"; and {len(broken) - 3:,} more" if len(broken) > 3 else ""
    return f"{len(broken):,} of {total:,} faces cannot be used: {shown}{more}"
