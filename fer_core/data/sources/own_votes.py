"""Own votes, ``votes.csv``: a csv with a row per face and a column per class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from fer_core.classes import folded
from fer_core.data.parsed import Parsed, face_id
from fer_core.data.sources.layouts.labeled import named
from fer_core.data.sources.names import FilesByName
from fer_core.errors import DataError
from fer_core.formatting import display_safe

OWN_VOTES_FILE = "votes.csv"

_FIRST_COLUMN = "file"
_MAX_COLUMNS = 200
_MAX_VOTES = 1_000_000
"""Maximum votes in one cell."""

Table = list[tuple[str, list[int]]]
"""The file and votes of each row."""


def own_votes(parsed: Parsed, data: bytes, where: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...], list[str]]:
    """Return the votes, int64 (N, K), for the faces of a source, the names of the K choices, and warnings.

    Rows name a face by its file, with as many folders as make the name unique, or by ``row N`` for a csv of faces.
    Faces without a row get zeros.

    Args:
        parsed: the N faces.
        data: content of the csv: ``file,happy,sad,unknown``, then ``a.png,7,2,1``.
        where: name of the csv in messages.

    Raises:
        DataError: the csv does not have this format, names unknown files or a face twice, or has no column for any
            class.
    """
    columns, table = read_table(data, where)
    notes = _check_columns(columns, parsed, where)
    rows = _rows_of_faces(parsed, table, where)
    votes = np.zeros((len(parsed.ids), len(columns)), np.int64)
    for face, row in rows.items():
        votes[face] = table[row][1]
    voted = int(votes.any(axis=1).sum())
    if voted < len(votes):
        notes.append(f"{where} has votes for {voted:,} of {len(votes):,} faces.")
    return votes, columns, notes


def read_table(data: bytes, where: str) -> tuple[tuple[str, ...], Table]:
    """Return the names of the columns after the first, and the rows.

    Raises:
        DataError: the text does not have the format of votes.
    """
    try:
        text = data.decode("utf-8-sig")
        start = text.split("\n", 1)[0]
        rows = list(_numbered(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=start.count))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} is not a readable csv in UTF-8.") from error
    head = [display_safe(cell.strip()) for cell in rows[0][1]] if rows else []
    columns = tuple(head[1:])
    if not columns or head[0].lower() != _FIRST_COLUMN:
        raise DataError(
            f"{where} must start with a line such as '{_FIRST_COLUMN},happy,sad': the word {_FIRST_COLUMN}, then the name "
            "of each class."
        )
    if len(columns) > _MAX_COLUMNS or not all(columns):
        raise DataError(f"{where}: each column needs a name, and at most {_MAX_COLUMNS} columns are allowed.")
    first: dict[str, str] = {}
    for column in columns:
        if folded(column) in first:
            raise DataError(f"{where} has two columns with the same name: '{first[folded(column)]}' and '{column}'.")
        first[folded(column)] = column
    if len(rows) == 1:
        raise DataError(f"{where} contains no votes.")
    return columns, [_parse(cells, len(head), f"{where}: line {number}") for number, cells in rows[1:]]


def _numbered(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-empty rows with their numbers, counted from 1."""
    return ((number, cells) for number, cells in enumerate(reader, start=1) if any(map(str.strip, cells)))


def _parse(cells: list[str], width: int, where: str) -> tuple[str, list[int]]:
    if len(cells) != width:
        raise DataError(f"{where} has {len(cells)} columns instead of {width}.")
    for cell in cells[1:]:
        text = cell.strip()
        if not (text.isascii() and text.isdecimal() and len(text) < 8 and int(text) <= _MAX_VOTES):
            raise DataError(
                f"{where} has '{display_safe(text[:20])}' as a number of votes; expected a whole number from 0 to "
                f"{_MAX_VOTES:,}."
            )
    return cells[0].strip(), [int(cell) for cell in cells[1:]]


def _check_columns(columns: tuple[str, ...], parsed: Parsed, where: str) -> list[str]:
    column_of: dict[int, str] = {}
    for column in columns:
        position = parsed.classes.find(column)
        if position is None:
            continue
        if position in column_of:
            name = parsed.classes[position]
            raise DataError(f"{where}: the columns '{column_of[position]}' and '{column}' both mean the class {name}.")
        column_of[position] = column
    if not column_of:
        raise DataError(
            f"{where} has no column for a class of the data set. Columns: {named(columns, 10)}; classes: "
            f"{named(parsed.classes, 10)}."
        )
    missing = [name for position, name in enumerate(parsed.classes) if position not in column_of]
    return [f"{where} has no column for {named(missing)}."] if missing else []


def _rows_of_faces(parsed: Parsed, table: Table, where: str) -> dict[int, int]:
    """Return the row of each face that has one."""
    faces = FilesByName(parsed.ids.tolist())
    not_used = FilesByName([*(name.partition(" (line")[0] for name, _ in parsed.unreadable), *parsed.excluded])
    rows: dict[int, int] = {}
    unknown = []
    for row, (file, _) in enumerate(table):
        found = faces.find(file)
        if len(found) > 1:
            raise DataError(
                f"{where}: the name '{face_id(file)}' matches {len(found):,} faces. Add its folders, e.g. "
                f"'{faces.names[found[0]]}'."
            )
        if not found:
            unknown += [] if not_used.find(file) else [face_id(file)]
            continue
        if found[0] in rows:
            raise DataError(f"{where} has two rows for '{faces.names[found[0]]}'.")
        rows[found[0]] = row
    if unknown:
        raise DataError(f"{where} names {len(unknown):,} unknown files: {named(unknown)}.")
    return rows
