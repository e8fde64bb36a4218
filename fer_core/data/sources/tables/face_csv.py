"""Reads faces from the rows of a csv: ``fer2013.csv``, ``icml_face_data.csv``, CK+'s csv, the homework's csv."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import find_split
from fer_core.data.parsed import MAX_FACES, ClassReading, Parsed, Progress, UnreadableFile, describe_unreadable
from fer_core.data.sources.tables.labels import Label, classes_of_labels, parse_label
from fer_core.errors import DataError
from fer_core.preprocess import FACE_SIZE

_LABEL_COLUMNS = ("emotion", "label")
_PIXEL_COLUMNS = ("pixels", "feature")
_USAGE_COLUMNS = ("usage",)
_MAX_LINE = 64 * 1024
"""Maximum length of a line; a face takes at most 16 kB."""
_REPORT_EVERY = 200
_LIST_SIGNS: Final = str.maketrans("[](),;", "      ")
_LIST_WORDS: Final = re.compile(r"(np\.u?int\d+|np\.float\d+|array|tensor)\(|dtype=\w+")
"""With the signs: how pandas and NumPy write pixels into a cell, ``[191, 188]``, ``[np.uint8(191), np.uint8(188)]``."""


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of a csv of faces."""

    label: int
    pixels: int
    usage: int | None
    """None if the csv has no usage."""
    delimiter: str
    width: int
    """Number of columns."""


def find_columns(header: str) -> Columns | None:
    """Find the columns in the first line of a file, ignoring case and spaces; None if it is not a csv of faces."""
    delimiter = max(",;\t", key=header.count)
    try:
        names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return None
    label = next((names.index(name) for name in _LABEL_COLUMNS if name in names), None)
    pixels = next((names.index(name) for name in _PIXEL_COLUMNS if name in names), None)
    usage = next((names.index(name) for name in _USAGE_COLUMNS if name in names), None)
    return None if label is None or pixels is None else Columns(label, pixels, usage, delimiter, len(names))


def read_header(stream: IO[bytes]) -> str:
    """Read the first line as text, without line end; reads at most 4,096 bytes."""
    return stream.readline(4096).decode("utf-8-sig", "replace").strip("\r\n")


def missing_columns(where: str, header: str) -> DataError:
    """Return the error for a csv whose first line does not name the columns of faces."""
    start = header if len(header) <= 60 else header[:60] + "…"
    hint = ""
    if header.lower().startswith("usage,image name,"):
        hint = " It looks like the votes of FER+: give fer2013.csv as the source and this file as its votes."
    return DataError(
        f"{where} is not a csv of faces. Its first line must name a column of labels (emotion or label) and one of "
        f"pixels (pixels or feature), but it is '{start}'.{hint}"
    )


def read_csv(
    open_stream: Callable[[], IO[bytes]],
    size: int,
    where: str,
    on_progress: Progress | None = None,
    how: ClassReading = "auto",
) -> Parsed:
    """Read a csv of faces as a stream, so that memory holds the faces but not the text.

    Args:
        open_stream: opens the file; it is closed here.
        size: length in bytes, for the progress.
        where: name of the file in messages.
        on_progress: called with (rows done, total rows); the total is an estimate until the end.
        how: how labels become classes, see :func:`classes_of_labels`.

    Raises:
        DataError: the first line does not name the columns, a line is not text of faces, there are no rows or too
            many, or the labels give no classes. Single wrong rows are returned as ``unreadable``.
    """
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[Label] = []
    splits: list[str] = []
    rows: list[int] = []
    lines: list[int] = []
    unreadable: list[tuple[int, int, str]] = []  # row, line, reason
    # Before version 2.3 NumPy only warns about text that is not a number; here it is an error in any version.
    with open_stream() as stream, warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        header = read_header(stream)
        columns = find_columns(header)
        if columns is None:
            raise missing_columns(where, header)
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
        reader = csv.reader(_short_lines(text, where), delimiter=columns.delimiter)
        row = -1
        try:
            for cells in reader:
                if not cells:  # an empty line
                    continue
                row += 1
                if row >= MAX_FACES:
                    raise DataError(f"{where} has more than {MAX_FACES:,} rows, the maximum. Give a smaller file.")
                try:
                    label, pixels, split = _parse_row(cells, columns)
                except UnreadableFile as fault:
                    unreadable.append((row, reader.line_num + 1, str(fault)))
                    continue
                images.append(pixels)
                labels.append(label)
                splits.append(split)
                rows.append(row)
                lines.append(reader.line_num + 1)
                if on_progress is not None and row % _REPORT_EVERY == _REPORT_EVERY - 1:
                    on_progress(row + 1, max(row + 1, round((row + 1) * size / max(stream.tell(), 1))))
        except csv.Error as error:
            raise DataError(
                f"{where} is not a csv of faces: line {reader.line_num + 1} cannot be read ({error})."
            ) from error
        text.detach()
    if row < 0:
        raise DataError(f"{where} names its columns but has no rows.")
    if on_progress is not None:
        on_progress(row + 1, row + 1)
    notes = () if columns.usage is not None else ("The csv has no column Usage: all its faces count as train.",)
    found = classes_of_labels(labels, how, where)
    if found is None:
        if labels:
            raise DataError(
                f"{where}: no label names an emotion. To use the labels as they are, give --classes folders."
            )
        raise DataError(f"{where}: {describe_unreadable(_in_order(unreadable), row + 1)}.")
    unreadable += [
        (row, at, found.unreadable[label])
        for row, at, label in zip(rows, lines, labels, strict=True)
        if label in found.unreadable
    ]
    kept = [i for i, label in enumerate(labels) if label in found.position]
    return Parsed(
        images=np.stack([images[i] for i in kept]),
        classes=found.classes,
        labels=np.array([found.position[labels[i]] for i in kept], dtype=np.int64),
        split=np.array([splits[i] for i in kept], dtype=np.str_),
        ids=np.array([f"row {rows[i]}" for i in kept], dtype=np.str_),
        unreadable=_in_order(unreadable),
        warnings=(*notes, *found.notes),
        rows=np.array([rows[i] for i in kept], dtype=np.int64),
        row_count=row + 1,
        excluded=tuple(f"row {row}" for row, label in zip(rows, labels, strict=True) if label in found.excluded),
    )


def _in_order(unreadable: list[tuple[int, int, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((f"row {row} (line {line})", reason) for row, line, reason in sorted(unreadable))


def _short_lines(text: io.TextIOWrapper, where: str) -> Iterator[str]:
    """Yield the lines of a file; an overlong line is refused, so that a file without line ends cannot fill memory."""
    number = 1
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataError(f"{where} is not a csv of faces: line {number} is longer than {_MAX_LINE:,} characters.")
        yield line


def _parse_row(cells: list[str], columns: Columns) -> tuple[Label, npt.NDArray[np.uint8], str]:
    """Parse label, pixels (48, 48) and split of one row."""
    if len(cells) != columns.width:
        raise UnreadableFile(f"has {len(cells)} columns instead of {columns.width}")
    label = parse_label(cells[columns.label])
    split = "train" if columns.usage is None else find_split(cells[columns.usage])
    if split is None:
        raise UnreadableFile(
            f"has the usage '{_short(cells[columns.usage or 0])}', expected Training, PublicTest or PrivateTest"
        )
    return label, parse_pixels(cells[columns.pixels]), split


def parse_pixels(cell: str) -> npt.NDArray[np.uint8]:
    """Parse the pixels of a face, uint8 (48, 48): whole numbers 0…255 separated by spaces or commas.

    Brackets and whole floats (``191.0``) are accepted, as pandas and NumPy write them.

    Raises:
        UnreadableFile: a value is not a whole number 0…255, or there are not 48×48.
    """
    if "..." in cell or "…" in cell:
        raise UnreadableFile("has abbreviated pixels (...); the csv must be written with all values")
    text = _LIST_WORDS.sub(" ", cell).translate(_LIST_SIGNS)
    try:
        try:
            # 64 bits, so that a huge number cannot wrap around into 0…255
            values = np.fromstring(text, dtype=np.int64, sep=" ")
        except (ValueError, DeprecationWarning):
            floats = np.fromstring(text, dtype=np.float64, sep=" ")
            if not (np.isfinite(floats).all() and (floats == np.rint(floats)).all() and (np.abs(floats) < 2**53).all()):
                raise
            values = floats.astype(np.int64)
    except (ValueError, DeprecationWarning) as error:
        raise UnreadableFile("has pixels that are not whole numbers") from error
    if len(values) != FACE_SIZE * FACE_SIZE:
        raise UnreadableFile(f"has {len(values):,} pixels instead of {FACE_SIZE * FACE_SIZE:,}")
    if values.min() < 0 or values.max() > 255:
        outside = values[(values < 0) | (values > 255)][0]
        raise UnreadableFile(f"has a pixel of {outside}, outside 0…255")
    return values.astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE)


def _short(text: str) -> str:
    return text.strip()[:20]
