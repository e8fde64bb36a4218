"""The csv table of faces over time, for video files and webcam recordings, written frame by frame."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from fer_core.formatting import CSV_ENCODING, csv_cell
from fer_core.live.media.display import Placement
from fer_core.live.media.failures import write_error
from fer_core.live.processor import FrameResult
from fer_core.workspace import make_directory

COLUMNS: Final = ("time", "track", "x", "y", "width", "height", "label", "abstained")
"""Columns before the probabilities; one column per class follows."""
LAST: Final = "sensitivity"
"""Last column: the model's sensitivity at that moment. Tables of the first version lack it."""


class FaceTable:
    """A csv file with a row for each face in each frame; flushed every second, so a crash loses at most one second.

    A label that a spreadsheet would run as a formula is escaped by an apostrophe.
    """

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        """Create the file and write its header.

        Raises:
            WorkspaceError: the file cannot be written.
        """
        self.labels = labels
        make_directory(path.parent)
        try:
            self._file = path.open("w", newline="", encoding=CSV_ENCODING)
        except OSError as error:
            raise write_error(path, error) from error
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([*COLUMNS, *map(csv_cell, labels), LAST])
        self._flushed = 0.0

    def add(
        self, result: FrameResult, seconds: float, *, mirrored: bool = False, placement: Placement | None = None
    ) -> None:
        """Append the faces of one frame.

        Boxes refer to the frames of the video that belongs to the table.

        Args:
            result: the faces.
            seconds: time since the start of the video or recording.
            mirrored: whether that video shows this frame mirrored.
            placement: position of this frame in that video; None if it fills the frame.
        """
        for face in result.faces:
            place = face.box
            if mirrored:
                left, top, width, height = place
                place = (result.width - left - width, top, width, height)
            if placement is not None:
                place = placement.box(place)
            box = [f"{v:.1f}" for v in place]
            probabilities = [f"{p:.4f}" for p in face.probabilities]
            position = [f"{seconds:.3f}", face.number, *box, csv_cell(face.label), int(face.abstained)]
            self._writer.writerow([*position, *probabilities, f"{result.sensitivity:g}"])
        if seconds - self._flushed > 1:
            self._flushed = seconds
            self._file.flush()

    def close(self) -> None:
        """Close the file; may be called repeatedly."""
        self._file.close()

    def __enter__(self) -> FaceTable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
