"""Faces in photographs: find them, cut them out by the one crop rule, classify them.

photo = read_photo("party.jpg")
result = predict_image(photo, FaceDetector(), Classifier.load("compact"))
"""

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
from fer_core.faces.images import Photo, read_photo
from fer_core.faces.photos import (
    FacePrediction,
    PhotoResult,
    find_photos,
    predict_file,
    predict_image,
    predict_paths,
    predict_squares,
)

__all__ = [
    "Face",
    "FaceDetector",
    "FacePrediction",
    "Framing",
    "Photo",
    "PhotoResult",
    "Square",
    "crop_box",
    "crop_face",
    "crop_square",
    "crop_squares",
    "find_photos",
    "largest",
    "measure_framing",
    "predict_file",
    "predict_image",
    "predict_paths",
    "predict_squares",
    "read_photo",
    "square_around",
]
