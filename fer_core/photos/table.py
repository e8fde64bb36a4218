"""The CSV of a folder's results: written photo by photo, repaired and continued after an interruption."""

from __future__ import annotations

import csv
import io
import os
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from fer_core.errors import ImageError, WorkspaceError
from fer_core.formatting import csv_cell, from_csv_cell
from fer_core.workspace import atomic_write, write_advice

if TYPE_CHECKING:
    from fer_core.photos.result import FacePrediction, PhotoResult

_BEFORE: Final = (
    "file",
    "model",
    "width",
    "height",
    "faces",
    "face",
    "x",
    "y",
    "w",
    "h",
    "score",
    "label",
    "abstained",
)
_AFTER: Final = ("notes", "error", "sensitivity")


class ResultTable:
    """A table with one row per face, and one row per photo without a face or with an error.

    Columns: ``file, model, width, height, faces`` (number of faces in this photo), ``face`` (1, 2, … from left to right), ``x, y,
    w, h`` (box in pixels), ``score, label, abstained`` (1 or 0), one probability column per class, ``notes, error``, and the
    model's ``sensitivity``. UTF-8 with a byte order mark. Text that spreadsheets would run as a formula is escaped with an apostrophe.

    An existing table is continued; :attr:`done` lists its photos. An incomplete row or photo at the end, as after a power cut, is
    dropped and predicted again. Use it as a context manager around :meth:`write`; nothing on disk changes before that.
    """

    def __init__(self, path: Path, labels: tuple[str, ...], model: str = "", sensitivity: float = 0.0) -> None:
        """Read the table at ``path``, if it exists.

        Raises:
            ImageError: the file is something else, or a table of another model or sensitivity.
        """
        self.path = path
        self.model = model
        self.sensitivity = f"{sensitivity:g}"
        self.columns = (*_BEFORE, *map(csv_cell, labels), *_AFTER)
        self._file: IO[bytes] | None = None
        self._rows, self._must_rewrite = self._read()
        self.done = frozenset(from_csv_cell(row[0]) for row in self._rows)
        """The photos that are already in the table, by their paths as given."""

    def _read(self) -> tuple[list[list[str]], bool]:
        """Return the rows of complete photos, and whether the file must be rewritten (it is new, or its end is incomplete)."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return [], True
        except OSError as error:
            raise ImageError(f"The table '{self.path}' cannot be read ({error.strerror}).") from error
        stored = content
        content = content.removeprefix(BOM_UTF8)  # tables of earlier versions have none
        header, first = self._encode([self.columns]), self._encode([self.columns[:-1]])
        if header.startswith(content) or first.startswith(content) or BOM_UTF8.startswith(content):
            return [], stored != BOM_UTF8 + header  # empty, or truncated within the header
        if content.startswith(first):  # a table of the first version, without sensitivity
            content = self._with_sensitivity(content, len(first))
        if not content.startswith(header):
            raise ImageError(
                f"'{self.path}' exists and is not a table of this command with these classes; "
                "it was not changed. Choose another name."
            )
        rows = self._complete(self._parse(content[len(header) :]))
        for row in rows:
            if row[-1] != self.sensitivity:
                raise ImageError(
                    f"'{self.path}' contains results at sensitivity {row[-1]}, not {self.sensitivity}; it was not "
                    "changed. Choose another name."
                )
            if row[1] != csv_cell(self.model):
                raise ImageError(
                    f"'{self.path}' contains results of the model '{from_csv_cell(row[1])}', not of '{self.model}'; "
                    "it was not changed. Choose another name."
                )
        return rows, BOM_UTF8 + header + self._encode(rows) != stored

    def _with_sensitivity(self, content: bytes, header: int) -> bytes:
        """Add the sensitivity column to a table of the first version; its results are those of sensitivity 0."""
        rows = self._parse(content[header:])
        full = [[*row, "0"] if len(row) == len(self.columns) - 1 else row for row in rows]
        return self._encode([self.columns, *full])

    def _parse(self, content: bytes) -> list[list[str]]:
        """Return the complete rows after the header."""
        # A truncated character can only be in the incomplete last row.
        text = content.decode("utf-8", "replace")
        try:
            rows = list(csv.reader(io.StringIO(text, newline="")))
        except csv.Error as error:
            raise self._damaged() from error
        if rows and not text.endswith("\n"):
            rows.pop()
        return rows

    def _complete(self, rows: list[list[str]]) -> list[list[str]]:
        """Return the rows up to the last photo with all its faces."""
        kept: list[list[str]] = []
        at = 0
        while at < len(rows):
            count = _count(rows[at])
            photo = rows[at : at + count]
            if len(photo) < count or any(len(r) != len(self.columns) or r[0] != photo[0][0] for r in photo):
                break
            kept += photo
            at += count
        torn = rows[at:]
        if torn and len(torn) > _count(torn[0]):
            raise self._damaged()
        return kept

    def __enter__(self) -> Self:
        """Open the file for writing, repaired.

        Raises:
            WorkspaceError: the file cannot be written.
        """
        try:
            if self._must_rewrite:
                with atomic_write(self.path) as file:
                    file.write(BOM_UTF8 + self._encode([self.columns, *self._rows]))
            self._file = self.path.open("ab")
        except (OSError, WorkspaceError) as error:
            raise self._cannot_write(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def write(self, result: PhotoResult) -> None:
        """Append the rows of one photo and flush them to the operating system.

        Raises:
            WorkspaceError: the disk is full; earlier photos stay in the table.
        """
        assert self._file is not None, "ResultTable is written inside its with block"
        try:
            self._file.write(self.rows(result))
            self._file.flush()
        except OSError as error:
            raise self._cannot_write(error) from error

    def header(self) -> bytes:
        """Return the start of the file: byte order mark and column names."""
        return BOM_UTF8 + self._encode([self.columns])

    def rows(self, result: PhotoResult) -> bytes:
        """Return the rows of one photo as they are in the file."""
        return self._encode(self._rows_of(result))

    def _rows_of(self, result: PhotoResult) -> list[list[object]]:
        begin = [csv_cell(result.file), csv_cell(self.model), result.width, result.height, len(result.faces)]
        end = [csv_cell("; ".join(result.notes)), csv_cell(result.error or ""), self.sensitivity]
        blank: list[object] = [""] * (len(self.columns) - len(begin) - len(end))
        faces: list[list[object]] = [
            self._face(number, face, result.width, result.height) for number, face in enumerate(result.faces, start=1)
        ]
        return [[*begin, *middle, *end] for middle in faces or [blank]]

    def _face(self, number: int, face: FacePrediction, width: int, height: int) -> list[object]:
        score = "" if face.score is None else f"{face.score:.4f}"
        probabilities = [f"{p:.6f}" for p in face.probabilities]
        return [number, *face.box(width, height), score, csv_cell(face.label), int(face.abstained), *probabilities]

    def _damaged(self) -> ImageError:
        return ImageError(f"The table '{self.path}' is damaged in the middle; it was not changed. Choose another name.")

    def _cannot_write(self, error: OSError | WorkspaceError) -> WorkspaceError:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or str(error)
        return WorkspaceError(
            f"The table '{self.path}' cannot be written ({reason}). The photos it contains are kept. "
            f"{write_advice(cause) if cause else ''} Start again to continue."
        )

    @staticmethod
    def _encode(rows: Iterable[Iterable[object]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode()


def table_bytes(
    results: Iterable[PhotoResult], labels: tuple[str, ...], model: str = "", sensitivity: float = 0.0
) -> bytes:
    """Return the content of the CSV that a :class:`ResultTable` would write for these photos."""
    table = ResultTable(Path(os.devnull), labels, model, sensitivity)
    return table.header() + b"".join(map(table.rows, results))


def _count(row: list[str]) -> int:
    """Return the number of rows of this row's photo."""
    column = _BEFORE.index("faces")
    return max(1, int(row[column])) if len(row) > column and row[column].isdecimal() else 1
