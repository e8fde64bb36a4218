"""FER+ votes: ten people's ratings of each face of FER2013 (Barsoum et al. 2016, ``fer2013new.csv``).

The file has one row for each row of ``fer2013.csv``. FER2013 as image files has lost this order;
``fer2013_order.csv`` gives the row of each file name.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data.dataset import find_split
from fer_core.data.parsed import Parsed
from fer_core.errors import DataError

FERPLUS_COLUMNS: Final[tuple[str, ...]] = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""The ten vote columns in the order of the file; NF means "not a face"."""
VOTES_FILE = "fer2013new.csv"
ORDER_FILE = "fer2013_order.csv"

_MAX_BYTES = 64 * 2**20
_MAX_VOTES = 1_000
"""Maximum votes in one cell; FER+ has ten votes per face."""


def ferplus_votes(parsed: Parsed, votes: Path, order: Path | None) -> npt.NDArray[np.int64]:
    """Return the votes, int64 (N, 10), for the faces of FER2013; zeros for faces without a row.

    Args:
        parsed: the N faces, rows of a csv or image files.
        votes: FER+'s ``fer2013new.csv``.
        order: ``fer2013_order.csv``, the row of each image file; only needed for images.

    Raises:
        DataError: the votes do not fit the source.
    """
    return _match_names(parsed, votes, order) if parsed.rows is None else _match_rows(parsed, votes)


def _match_rows(parsed: Parsed, votes: Path) -> npt.NDArray[np.int64]:
    splits, table = read_votes(votes)
    if parsed.rows is None or parsed.row_count != len(table):
        raise DataError(
            f"{votes.name} has {len(table):,} rows and the csv has {parsed.row_count:,}; both must list the same faces "
            "in the same order."
        )
    _check_splits(parsed.split, splits[parsed.rows], votes.name)
    return table[parsed.rows]


def _match_names(parsed: Parsed, votes: Path, order: Path | None) -> npt.NDArray[np.int64]:
    if order is None:
        raise DataError(f"FER2013 as image files also needs {ORDER_FILE} (the row of each file) beside {votes.name}.")
    splits, table = read_votes(votes)
    row_of = read_order(order)
    fer2013 = ClassList.fer2013()
    ids = [fer2013.find(name) for name in parsed.classes]
    names = zip([ids[label] for label in parsed.labels.tolist()], parsed.ids.tolist(), strict=True)
    rows = np.array([row_of.get((label, name.rpartition("/")[2]), -1) for label, name in names], dtype=np.int64)
    if rows.max(initial=-1) >= len(table):
        raise DataError(f"{order.name} names row {rows.max()}, but {votes.name} has {len(table):,} rows.")
    known = rows >= 0
    if not known.any():
        raise DataError(f"{order.name} names no image of the source.")
    _check_splits(parsed.split[known], splits[rows[known]], votes.name)
    matched = np.zeros((len(rows), len(FERPLUS_COLUMNS)), np.int64)
    matched[known] = table[rows[known]]
    return matched


def is_fer2013(parsed: Parsed) -> bool:
    """Whether the image files have the names of FER2013."""
    return any(str(name).rpartition("/")[2].startswith("Training_") for name in parsed.ids)


def _check_splits(ours: npt.NDArray[np.str_], theirs: npt.NDArray[np.str_], file: str) -> None:
    if differing := int((ours != theirs).sum()):
        raise DataError(
            f"{file} assigns {differing:,} of {len(ours):,} faces to another split than the source, so its rows belong "
            "to other data."
        )


def read_votes(path: Path) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Read the split, str (M,), and votes, int64 (M, 10), of each row, in the order of ``FERPLUS_COLUMNS``.

    Raises:
        DataError: the file does not have the format of FER+.
    """
    expected = ("Usage", "Image name", *FERPLUS_COLUMNS)
    splits: list[str] = []
    table: list[list[int]] = []
    for number, cells in enumerate(_rows(path, expected)):
        split = find_split(cells[0])
        counts = [int(cell) if cell.strip().isdecimal() and len(cell) < 6 else -1 for cell in cells[2:]]
        if split is None or min(counts) < 0 or max(counts) > _MAX_VOTES:
            raise DataError(f"{path.name}: row {number} must have a usage, a name and ten vote counts.")
        splits.append(split)
        table.append(counts)
    if not table:
        raise DataError(f"{path.name} contains no votes.")
    return np.array(splits, dtype=np.str_), np.array(table, dtype=np.int64)


def read_order(path: Path) -> dict[tuple[int | None, str], int]:
    """Read the row in ``fer2013.csv`` of each image file, by its label and its name without folders.

    The name alone is not unique: some names occur in the folders of two emotions.

    Raises:
        DataError: the file does not have the columns ``row,usage,emotion,file,exact``.
    """
    rows: dict[tuple[int | None, str], int] = {}
    for number, cells in enumerate(_rows(path, ("row", "usage", "emotion", "file", "exact"))):
        row, _, emotion, file, _ = cells
        if not (row.isdecimal() and len(row) < 10 and emotion.isdecimal() and len(emotion) == 1):
            raise DataError(f"{path.name}: row {number} must have a row number and an emotion number.")
        key = (int(emotion), file.rpartition("/")[2])
        if key in rows:
            raise DataError(f"{path.name}: row {number} repeats a file name.")
        rows[key] = int(row)
    return rows


def _rows(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    """Read the rows of a small csv whose first line must name ``columns``."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path.name} is larger than {_MAX_BYTES // 2**20} MB, too large for such a file.")
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a readable csv file.") from error
    if not rows or [cell.strip().lower() for cell in rows[0]] != [column.lower() for column in columns]:
        raise DataError(f"{path.name} must start with the line '{','.join(columns)}'.")
    for number, row in enumerate(rows[1:]):
        if len(row) != len(columns):
            raise DataError(f"{path.name}: row {number} has {len(row)} columns instead of {len(columns)}.")
    return rows[1:]
