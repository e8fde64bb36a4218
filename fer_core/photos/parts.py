"""A folder of result tables in parts, for more photos than one file should hold: Parquet or CSV."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from fer_core.errors import ImageError
from fer_core.formatting import display_safe
from fer_core.photos.table import ResultTable
from fer_core.workspace import atomic_write, make_directory

if TYPE_CHECKING:
    import pyarrow as pa

    from fer_core.photos.result import PhotoResult

PartFormat = Literal["parquet", "csv"]

PHOTOS_PER_PART: Final = 10_000
_PART: Final = re.compile(r"part-(\d{6})\.(parquet|csv)")


class ResultParts:
    """A folder of files ``part-000000.parquet``, …, each complete or absent; CSV parts are tables as of ``predict --csv``.

    A Parquet part has the columns of :class:`fer_core.photos.table.ResultTable`, typed: numbers are numbers, ``abstained`` is true or
    false, absent values are null, and the probabilities are columns ``p_<class>``.

    An existing folder is continued; :attr:`done` lists its photos. Results are written when a part is full and at the end, so a killed
    process loses at most one part, whose photos are predicted again. Use it as a context manager around :meth:`write`.
    """

    def __init__(
        self,
        folder: Path,
        labels: tuple[str, ...],
        model: str = "",
        sensitivity: float = 0.0,
        part_format: PartFormat = "parquet",
        size: int = PHOTOS_PER_PART,
    ) -> None:
        """Read the photos of the parts in ``folder``, if it exists; nothing is written.

        Args:
            folder: where the parts are.
            labels: the model's classes.
            model: written into each row; parts of another model raise an error.
            sensitivity: written into each row; parts of another one raise an error.
            part_format: format of new parts; those of both formats are continued.
            size: photos per part.

        Raises:
            ImageError: a part is damaged, or of another model, other classes or another sensitivity.
        """
        self.folder, self._labels, self._model, self._sensitivity = folder, labels, model, sensitivity
        self._format: PartFormat = part_format
        self._size = size
        parts = sorted(path for path in folder.glob("part-*") if _PART.fullmatch(path.name))
        self.done = frozenset(file for part in parts for file in self._photos_of(part))
        """The photos that are already in the parts, by their paths as given."""
        self._next = max((int(part.name[5:11]) for part in parts), default=-1) + 1
        self._waiting: list[PhotoResult] = []

    def __enter__(self) -> Self:
        """Create the folder.

        Raises:
            WorkspaceError: it cannot be created.
        """
        make_directory(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        """Write the last part.

        Raises:
            WorkspaceError: it cannot be written.
        """
        self._flush()

    def write(self, result: PhotoResult) -> None:
        """Add one photo; writes a part when it is full.

        Raises:
            WorkspaceError: the part cannot be written; earlier parts stay.
        """
        self._waiting.append(result)
        if len(self._waiting) == self._size:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        path = self.folder / f"part-{self._next:06}.{self._format}"
        if self._format == "csv":
            rows = self._csv(Path(os.devnull))
            with atomic_write(path) as file:
                file.write(rows.header() + b"".join(rows.rows(result) for result in self._waiting))
        else:
            import pyarrow.parquet as pq

            table = self._arrow()
            with atomic_write(path) as file:
                pq.write_table(table, file)
        self._waiting.clear()
        self._next += 1

    def _csv(self, path: Path) -> ResultTable:
        return ResultTable(path, self._labels, self._model, self._sensitivity)

    def _arrow(self) -> pa.Table:
        import pyarrow as pa

        rows = [row for result in self._waiting for row in self._records(result)]
        return pa.Table.from_pylist(rows, schema=self._schema())

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        text, number = pa.string(), pa.float64()
        kinds = {
            "file": text, "model": text, "width": pa.int64(), "height": pa.int64(), "faces": pa.int64(), "face": pa.int64(),
            "x": number, "y": number, "w": number, "h": number, "score": number, "label": text, "abstained": pa.bool_(),
            **{f"p_{label}": pa.float32() for label in self._labels},
            "notes": text, "error": text, "sensitivity": number,
        }  # fmt: skip
        return pa.schema(list(kinds.items()))

    def _records(self, result: PhotoResult) -> list[dict[str, Any]]:
        """Return a row for each face, or one without a face."""
        photo = {
            "file": result.file,
            "model": self._model,
            "width": result.width,
            "height": result.height,
            "faces": len(result.faces),
            "notes": "; ".join(result.notes) or None,
            "error": result.error,
            "sensitivity": self._sensitivity,
        }
        rows = []
        for number, face in enumerate(result.faces, start=1):
            box = dict(zip("xywh", face.box(result.width, result.height), strict=True))
            probabilities = {f"p_{label}": float(p) for label, p in zip(face.labels, face.probabilities, strict=True)}
            about = {"face": number, "score": face.score, "label": face.label, "abstained": face.abstained}
            rows.append({**photo, **about, **box, **probabilities})
        return rows or [photo]

    def _photos_of(self, part: Path) -> frozenset[str]:
        """Return the photos of a part.

        Raises:
            ImageError: it is damaged, or does not fit.
        """
        if part.suffix == ".csv":
            return self._csv(part).done
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(part)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ImageError(f"'{display_safe(part)}' is damaged; delete it to predict its photos again.") from error
        if table.schema.names != self._schema().names:
            raise ImageError(
                f"'{display_safe(part)}' has other columns than this model's classes. Choose another folder."
            )
        for column, own in (("model", self._model), ("sensitivity", self._sensitivity)):
            if other := sorted(set(table.column(column).to_pylist()) - {own}, key=str):
                raise ImageError(
                    f"'{display_safe(part)}' contains results with {column} {other[0]}, not {own}. Choose another folder."
                )
        return frozenset(table.column("file").to_pylist())
