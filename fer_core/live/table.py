"""The csv of faces over time, written as it goes: of a video file and of a recording alike."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from fer_core.errors import WorkspaceError
from fer_core.formatting import csv_cell
from fer_core.live.processor import FrameResult
from fer_core.workspace import make_directory

COLUMNS: Final = ("time", "track", "x", "y", "width", "height", "label", "abstained")
"""The columns before the probabilities, one of which follows for each class."""
LAST: Final = "sensitivity"
"""The column behind them: the model's sensitivity at that moment. Tables of the first version lack it."""


class FaceTable:
    """A row for each face in each frame; flushed every second, so that a crash keeps what came before.

    A label that a spreadsheet would take for a formula gets an apostrophe in front.
    """

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        """Begin the file.

        Raises:
            WorkspaceError: it cannot be written.
        """
        self.labels = labels
        make_directory(path.parent)
        try:
            self._file = path.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be written ({error.strerror}).") from error
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([*COLUMNS, *map(csv_cell, labels), LAST])
        self._flushed = 0.0

    def add(self, result: FrameResult, seconds: float) -> None:
        """Append the faces of one frame; ``seconds`` from the beginning of the video or recording."""
        for face in result.faces:
            box = [f"{v:.1f}" for v in face.box]
            probabilities = [f"{p:.4f}" for p in face.probabilities]
            place = [f"{seconds:.3f}", face.number, *box, csv_cell(face.label), int(face.abstained)]
            self._writer.writerow([*place, *probabilities, f"{result.sensitivity:g}"])
        if seconds - self._flushed > 1:
            self._flushed = seconds
            self._file.flush()

    def close(self) -> None:
        """Finish the file; harmless when done before."""
        self._file.close()

    def __enter__(self) -> FaceTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
