"""The faces of a photograph with their predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.faces.boxes import Box
from fer_core.faces.crop import Square
from fer_core.faces.detector import Face

if TYPE_CHECKING:
    from fer_core.inference import Classifier


@dataclass(frozen=True, slots=True, eq=False)
class FacePrediction:
    """One face of a photograph with what the classifier says of it."""

    square: Square
    """The region that was cut out."""
    crop: npt.NDArray[np.uint8]
    """uint8 (48, 48): what the network saw."""
    classes: ClassList
    """Of the model, in the order of ``probabilities``."""
    probabilities: npt.NDArray[np.float32]
    """(C,), sums to 1."""
    abstained: bool
    """The highest probability lies below the model's threshold: the answer is "not sure"."""
    face: Face | None = None
    """What the detector found; None for a box marked by hand."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of ``probabilities``."""
        return self.classes.names

    @property
    def position(self) -> int:
        """Position of the most probable class, also where ``abstained``."""
        return int(self.probabilities.argmax())

    @property
    def label(self) -> str:
        """The most probable class, also where ``abstained``."""
        return self.classes[self.position]

    @property
    def probability(self) -> float:
        """The highest probability."""
        return float(self.probabilities.max())

    @property
    def score(self) -> float | None:
        """The detector's score; None for a box marked by hand."""
        return None if self.face is None else self.face.score

    def box(self, width: int, height: int) -> Box:
        """Left, top, width and height of the face's box, or of the marked square, cut off at the photograph's edges."""
        square = self.square
        x, y, w, h = self.face.box if self.face else (square.x, square.y, square.side, square.side)
        left, top = min(max(x, 0.0), width), min(max(y, 0.0), height)
        right, bottom = min(max(x + w, left), width), min(max(y + h, top), height)
        return round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """What came of one photograph: its faces from left to right (none is an answer too), or an error."""

    file: str
    """Path as given, always printable as UTF-8."""
    width: int = 0
    """Pixels, upright; 0 where the file could not be decoded."""
    height: int = 0
    """Pixels, upright; 0 where the file could not be decoded."""
    faces: tuple[FacePrediction, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know about how the file was read."""
    error: str | None = None
    """Why there is no result, in one sentence or two."""

    def to_dict(self) -> dict[str, Any]:
        """``{file, width, height, faces: [{box: [x, y, w, h], score, label, probabilities, abstained}]}``, plain values.

        ``notes`` and ``error`` are there only where there are some; boxes are in pixels, cut off at the edges.
        """
        faces = [
            {
                "box": list(face.box(self.width, self.height)),
                "score": face.score,
                "label": face.label,
                "probabilities": {label: float(p) for label, p in zip(face.labels, face.probabilities, strict=True)},
                "abstained": face.abstained,
            }
            for face in self.faces
        ]
        record: dict[str, Any] = {"file": self.file, "width": self.width, "height": self.height, "faces": faces}
        if self.notes:
            record["notes"] = list(self.notes)
        if self.error is not None:
            record["error"] = self.error
        return record


def predict_document(results: Iterable[PhotoResult], model: str, classifier: Classifier) -> dict[str, Any]:
    """What ``predict`` writes as JSON, plain values: the model and how it was asked, and one record for each photograph.

    ``skipped`` is empty: whoever passes over files names them there.

    Args:
        results: of the photographs, read one after the other.
        model: what the classifier was called.
        classifier: that made the results; ``sensitivity`` is None where it has none.
    """
    return {
        "model": model,
        "sensitivity": classifier.sensitivity if classifier.has_sensitivity else None,
        "classes": list(classifier.classes),
        "engine": classifier.engine,
        "photos": [result.to_dict() for result in results],
        "skipped": [],
    }
