"""The predicted faces of a photo."""

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
    """One face of a photo with its prediction."""

    square: Square
    """The region that was cropped."""
    crop: npt.NDArray[np.uint8]
    """uint8 (48, 48): the network's input."""
    classes: ClassList
    """The model's classes, in the order of ``probabilities``."""
    probabilities: npt.NDArray[np.float32]
    """float32 (C,), sums to 1."""
    abstained: bool
    """Whether the prediction is "not sure": its probability is below the model's threshold, or the detector doubts the face."""
    face: Face | None = None
    """The detected face; None for a box marked by hand."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in the order of ``probabilities``."""
        return self.classes.names

    @property
    def position(self) -> int:
        """Position of the most probable class, even if ``abstained``."""
        return int(self.probabilities.argmax())

    @property
    def label(self) -> str:
        """The most probable class, even if ``abstained``."""
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
        """Return left, top, width and height of the face's box, or of the marked square, clipped to the photo."""
        square = self.square
        x, y, w, h = self.face.box if self.face else (square.x, square.y, square.side, square.side)
        left, top = min(max(x, 0.0), width), min(max(y, 0.0), height)
        right, bottom = min(max(x + w, left), width), min(max(y + h, top), height)
        return round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """The result for one photo: its faces from left to right (possibly none), or an error."""

    file: str
    """The path as given, always encodable as UTF-8."""
    width: int = 0
    """In pixels, upright; 0 if the file could not be decoded."""
    height: int = 0
    """In pixels, upright; 0 if the file could not be decoded."""
    faces: tuple[FacePrediction, ...] = ()
    notes: tuple[str, ...] = ()
    """Notes about how the file was read."""
    error: str | None = None
    """Why there is no result, in one or two sentences."""

    def to_dict(self) -> dict[str, Any]:
        """Return ``{file, width, height, faces: [{box: [x, y, w, h], score, label, probabilities, abstained}]}``.

        ``notes`` and ``error`` are present only if there are any; boxes are in pixels, clipped to the photo.
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
        "sensitivity": classifier.sensitivity_or_none,
        "classes": list(classifier.classes),
        "engine": classifier.engine,
        "photos": [result.to_dict() for result in results],
        "skipped": [],
    }
