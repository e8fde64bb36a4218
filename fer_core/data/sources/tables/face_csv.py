"""Faces as rows of a csv: ``fer2013.csv``, its variant with spaces in the header, the homework's ``label,feature``."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import find_split
from fer_core.data.parsed import MAX_FACES, BrokenFile, ClassReading, Parsed, Progress, unusable
from fer_core.data.sources.tables.labels import Label, classes_of_labels, parse_label
from fer_core.errors import DataError
from fer_core.preprocess import FACE_SIZE

_LABEL_COLUMNS = ("emotion", "label")
_PIXEL_COLUMNS = ("pixels", "feature")
_USAGE_COLUMNS = ("usage",)
_MAX_LINE = 64 * 1024
"""Longest line that is read; a face takes 9 kB at most."""
_REPORT_EVERY = 200


@dataclass(frozen=True)
class Columns:
    """Where in a row label, pixels and usage stand; ``usage`` is None where the file has none."""

    label: int
    pixels: int
    usage: int | None
    delimiter: str
    width: int
    """Number of columns."""


def find_columns(header: str) -> Columns | None:
    """The columns that the first line of a file names, in any case and with any spaces; None if they are no faces'."""
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
    """The first line as text, without the line's end; at most 4,096 bytes are read."""
    return stream.readline(4096).decode("utf-8-sig", "replace").strip("\r\n")


def missing_columns(where: str, header: str) -> DataError:
    """The error for a csv whose first line does not name the columns of faces."""
    shown = header if len(header) <= 60 else header[:60] + "…"
    hint = ""
    if header.lower().startswith("usage,image name,"):
        hint = " It looks like the votes of FER+: give fer2013.csv as the source, and this file as its votes."
    return DataError(
        f"{where} is no csv of faces: its first line must name a column of labels (emotion or label) and one of pixels "
        f"(pixels or feature); it is '{shown}'.{hint}"
    )


def read_csv(
    open_stream: Callable[[], IO[bytes]],
    size: int,
    where: str,
    on_progress: Progress | None = None,
    how: ClassReading = "auto",
) -> Parsed:
    """Read a csv of faces as a stream, so that memory holds the faces and not the text.

    Args:
        open_stream: opens the file; it is closed here.
        size: its length in bytes, for the progress.
        where: what to call the file in messages.
        on_progress: called with (rows done, rows in all); the second is an estimate until the end.
        how: what the classes are, see :func:`classes_of_labels`.

    Raises:
        DataError: the first line does not name the columns, a line is no text of faces, there are no or too many
            rows, or the labels make no classes. Single rows that are wrong come back as ``broken``.
    """
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[Label] = []
    splits: list[str] = []
    rows: list[int] = []
    lines: list[int] = []
    broken: list[tuple[int, int, str]] = []  # row, line, reason
    # Before version 2.3 NumPy warns of text that is no number and goes on; here it is an error in any version.
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
                    raise DataError(f"{where} holds more than {MAX_FACES:,} rows; at most that many are read.")
                try:
                    label, pixels, split = _parse_row(cells, columns)
                except BrokenFile as fault:
                    broken.append((row, reader.line_num + 1, str(fault)))
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
                f"{where} is no csv of faces: line {reader.line_num + 1} cannot be read ({error})."
            ) from error
        text.detach()
    if row < 0:
        raise DataError(f"{where} names its columns but holds no rows.")
    if on_progress is not None:
        on_progress(row + 1, row + 1)
    notes = () if columns.usage is not None else ("The csv has no column Usage: all its faces count as train.",)
    found = classes_of_labels(labels, how, where)
    if found is None:
        if labels:
            raise DataError(
                f"{where}: no label names an emotion. Read the labels by their own names (--classes folders)."
            )
        raise DataError(f"{where}: {unusable(_in_order(broken), row + 1)}.")
    broken += [
        (row, at, found.broken[label])
        for row, at, label in zip(rows, lines, labels, strict=True)
        if label in found.broken
    ]
    kept = [i for i, label in enumerate(labels) if label in found.position]
    return Parsed(
        images=np.stack([images[i] for i in kept]),
        classes=found.classes,
        labels=np.array([found.position[labels[i]] for i in kept], dtype=np.int64),
        split=np.array([splits[i] for i in kept], dtype=np.str_),
        ids=np.array([f"row {rows[i]}" for i in kept], dtype=np.str_),
        broken=_in_order(broken),
        warnings=(*notes, *found.notes),
        rows=np.array([rows[i] for i in kept], dtype=np.int64),
        row_count=row + 1,
        left_out=tuple(f"row {row}" for row, label in zip(rows, labels, strict=True) if label in found.left_out),
    )


def _in_order(broken: list[tuple[int, int, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((f"row {row} (line {line})", reason) for row, line, reason in sorted(broken))


def _short_lines(text: io.TextIOWrapper, where: str) -> Iterator[str]:
    """The lines of a file, none longer than a face can be: a file without line ends must not fill the memory."""
    number = 1
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataError(f"{where} is no csv of faces: its line {number} is longer than {_MAX_LINE:,} characters.")
        yield line


def _parse_row(cells: list[str], columns: Columns) -> tuple[Label, npt.NDArray[np.uint8], str]:
    """Label, pixels (48, 48) and split of one row."""
    if len(cells) != columns.width:
        raise BrokenFile(f"has {len(cells)} columns instead of {columns.width}")
    label = parse_label(cells[columns.label])
    split = "train" if columns.usage is None else find_split(cells[columns.usage])
    if split is None:
        raise BrokenFile(
            f"has the usage '{_short(cells[columns.usage or 0])}', expected Training, PublicTest or PrivateTest"
        )
    try:
        # 64 bits, so that a huge number cannot wrap around into 0…255
        values = np.fromstring(cells[columns.pixels], dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning) as error:
        raise BrokenFile("has pixels that are no whole numbers") from error
    if len(values) != FACE_SIZE * FACE_SIZE:
        raise BrokenFile(f"has {len(values):,} pixels instead of {FACE_SIZE * FACE_SIZE:,}")
    if values.min() < 0 or values.max() > 255:
        outside = values[(values < 0) | (values > 255)][0]
        raise BrokenFile(f"has a pixel of {outside}, outside 0…255")
    return label, values.astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE), split


def _short(text: str) -> str:
    return text.strip()[:20]
