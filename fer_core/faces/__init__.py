"""Faces in photographs: ``FaceDetector().detect(image)``, and the one crop rule that brings them to 48×48."""

from fer_core.faces.crop import (
    Framing,
    Square,
    crop_box,
    crop_face,
    crop_square,
    crop_squares,
    measure_framing,
    square_around,
)
from fer_core.faces.detector import Face, FaceDetector, largest

__all__ = [
    "Face",
    "FaceDetector",
    "Framing",
    "Square",
    "crop_box",
    "crop_face",
    "crop_square",
    "crop_squares",
    "largest",
    "measure_framing",
    "square_around",
]
