"""Parsed: what every reader returns, before it becomes a :class:`FaceDataset`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.formatting import display_safe

Progress = Callable[[int, int], None]
"""Callback (done, total) for the progress of a long task; an exception it raises cancels the task."""

ClassReading = Literal["auto", "emotions", "folders", "affectnet", "raf-db", "fer2013", "ferplus"]
"""How names become classes: emotions if all names are emotions, else the names; emotions only; names only; or the
numbers of a known data set."""

MAX_FACES = 1_000_000
"""Maximum number of faces in a data set; a million takes 2.3 GB of memory."""
MAX_ID = 512
"""Maximum length of a face id; NumPy stores every id at the length of the longest."""


class UnreadableFile(Exception):
    """A file or row of a data set cannot be read; ``str(error)`` is the predicate of a sentence about it."""


@dataclass(frozen=True, eq=False)
class Parsed:
    """Faces read from a source, in the source's order.

    Attributes:
        images: uint8 (N, 48, 48).
        classes: the classes of the source.
        labels: int64 (N,), positions in ``classes``.
        split: str (N,).
        ids: str (N,).
        unreadable: (name, reason) of each face that could not be read; not among the N.
        warnings: sentences for the user.
        rows: int64 (N,), the row of each face in its csv, counted from 0; None for images.
        row_count: number of rows of the csv, including unreadable ones; 0 for images.
        groups: str (N,), the person or session of each face, ``""`` if unknown; None if no face has one.
        votes: FER+'s ten vote counts, int64 (N, 10), if the source has them in its own files; else None.
        excluded: ids of faces of the source that have no class; not among the N.
    """

    images: npt.NDArray[np.uint8]
    classes: ClassList
    labels: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]
    unreadable: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    rows: npt.NDArray[np.int64] | None = None
    row_count: int = 0
    groups: npt.NDArray[np.str_] | None = None
    votes: npt.NDArray[np.int64] | None = None
    excluded: tuple[str, ...] = ()


def face_id(name: str) -> str:
    """Return a name safe to store and print: bytes that are not UTF-8 and control characters become escapes."""
    return display_safe(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def describe_unreadable(unreadable: tuple[tuple[str, str], ...], total: int) -> str:
    """Describe the unreadable faces among ``total``, naming the first three; without a final period."""
    examples = "; ".join(f"{who} {why}" for who, why in unreadable[:3])
    more = f"; and {len(unreadable) - 3:,} more" if len(unreadable) > 3 else ""
    return f"{len(unreadable):,} of {total:,} faces cannot be read: {examples}{more}"
