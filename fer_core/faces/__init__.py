"""Find faces in images and crop them by the one crop rule; no network is needed."""

from fer_core.faces.crop import (
    Square,
    crop_box,
    crop_face,
    crop_square,
    crop_squares,
    square_around,
)
from fer_core.faces.detector import Face, FaceDetector, largest

__all__ = [
    "Face",
    "FaceDetector",
    "Square",
    "crop_box",
    "crop_face",
    "crop_square",
    "crop_squares",
    "largest",
    "square_around",
]
