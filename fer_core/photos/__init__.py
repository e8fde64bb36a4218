"""Predict the faces in photos and in folders of photos.

photo = read_photo("party.jpg")
result = predict_image(photo, FaceDetector(), Classifier.load("compact"))
"""

from fer_core.photos.predict import (
    FoundPhotos,
    find_photos,
    in_this_process,
    in_worker_processes,
    look_for_photos,
    predict_file,
    predict_image,
    predict_paths,
    predict_squares,
    read_path_list,
)
from fer_core.photos.result import FacePrediction, PhotoResult, predict_document

__all__ = [
    "FacePrediction",
    "FoundPhotos",
    "PhotoResult",
    "find_photos",
    "in_this_process",
    "in_worker_processes",
    "look_for_photos",
    "predict_document",
    "predict_file",
    "predict_image",
    "predict_paths",
    "predict_squares",
    "read_path_list",
]
