"""Caches of analyzed photos and saliency maps per content and model, shared by all browser windows."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.annotate import draw_photo
from fer_core.errors import FerError
from fer_core.explanation import Saliency, explain
from fer_core.faces import FaceDetector, square_around
from fer_core.images import Photo, encode, fit, png, read_photo
from fer_core.inference import Classifier, resolve_model
from fer_core.photos import FacePrediction, PhotoResult, predict_image, predict_squares
from pages.ui.model.sensitivity import sensitive_classifier
from pages.ui.shell import cache, session
from pages.ui.shell.errors import log_internal_error
from pages.ui.shell.limits import limits

PREVIEW = 1100
"""Longest side of the displayed photo in pixels."""

_READABLE = 800
"""Minimum longest side in pixels of a photo with boxes and labels."""

_PEN: Final = ThreadPoolExecutor(1, "draw")
"""Thread that draws: OpenCV 5 loads its font once per thread (20 ms), and Streamlit runs each script in a new thread."""

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the photo."""


@dataclass(frozen=True)
class Model:
    """A model at a sensitivity, with the modification time of its file as part of its identity."""

    name: str
    changed: int
    sensitivity: float
    scope: str = ""
    """Workspace and weights: people give their models equal names, and how fast an answer comes tells who had it before."""

    @classmethod
    def of(cls, name: str) -> Model:
        """Return the current version of a model.

        Raises:
            ModelError: the model does not exist.
        """
        workspace = session.workspace()
        path = resolve_model(name, workspace)
        scope = f"{workspace.root}|{path}"
        return cls(name, path.stat().st_mtime_ns, sensitive_classifier(name).sensitivity, scope)

    @property
    def classifier(self) -> Classifier:
        """The classifier, loaded once."""
        return cache.classifier(self.name, self.sensitivity)


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded file: its name for display, its bytes, and known face boxes."""

    name: str
    data: bytes
    boxes: tuple[Box, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, eq=False)
class AnalyzedPhoto:
    """A photo with its faces: detected ones, then those marked by hand."""

    upload: Upload
    digest: str
    result: PhotoResult
    preview: bytes
    """Plain JPEG, at most :data:`PREVIEW` pixels long; empty if the file is unreadable."""

    def annotated(self) -> npt.NDArray[np.uint8]:
        """Return the preview with boxes and labels, RGB; enlarges small photos so that labels are legible."""
        pixels = self._pixels()
        if max(pixels.shape[:2]) < _READABLE:
            pixels = fit(pixels, _READABLE, enlarge=True)
        return _PEN.submit(draw_photo, pixels, self.result, PREVIEW).result()

    def png(self) -> bytes:
        """Return the full-size photo with boxes and labels as PNG."""
        return png(draw_photo(read_photo(self.upload.data).rgb, self.result), fast=True)

    def _pixels(self) -> npt.NDArray[np.uint8]:
        picture = cv2.imdecode(np.frombuffer(self.preview, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None  # it was encoded here
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def analyze(upload: Upload, model: Model, boxes: tuple[Box, ...] = ()) -> AnalyzedPhoto:
    """Detect and classify the faces of an upload; the result's ``error`` reports unreadable files.

    Raises:
        RateError: on a shared server, the user asked for too many predictions.
    """
    digest = upload.digest
    result, preview = _found(digest, upload.name, model, upload.data, not upload.boxes)
    boxes = (*upload.boxes, *boxes)
    if boxes and result.error is None:
        marked = _marked(digest, boxes, model, upload.data)
        result = replace(result, faces=(*result.faces, *marked))
    return AnalyzedPhoto(upload, digest, result, preview)


@st.cache_resource(show_spinner=False)
def _detector() -> FaceDetector:
    return FaceDetector()


@st.cache_resource(show_spinner=False, max_entries=600)
def _found(digest: str, name: str, model: Model, _data: bytes, search: bool) -> tuple[PhotoResult, bytes]:
    limits().count("prediction")  # here, so that a photo counts once
    classifier = model.classifier
    try:
        photo = read_photo(_data, name)
        if search:
            result = predict_image(photo, _detector(), classifier, name)
        else:  # the boxes are known
            result = PhotoResult(name, photo.width, photo.height, (), photo.notes)
    except FerError as error:
        return PhotoResult(name, error=str(error)), b""
    except Exception as error:  # an internal error must not affect the other photos
        reference, _ = log_internal_error(error, "analyzing a photo")
        return PhotoResult(name, error=f"Internal error while reading this file (reference {reference})."), b""
    return result, _preview(photo)


def _preview(photo: Photo) -> bytes:
    return encode(fit(photo.rgb, PREVIEW), ".jpg", fast=True)


@st.cache_resource(show_spinner=False, max_entries=200)
def _marked(digest: str, boxes: tuple[Box, ...], model: Model, _data: bytes) -> tuple[FacePrediction, ...]:
    limits().count("prediction")
    squares = [square_around(*box) for box in boxes]
    return predict_squares(read_photo(_data).rgb, squares, model.classifier)


def saliency(crop: npt.NDArray[np.uint8], model: Model, method: str, target: str) -> Saliency:
    """Return the saliency map of a face, computed once."""
    return _saliency(crop.tobytes(), model, method, target)


@st.cache_resource(show_spinner=False, max_entries=2000)
def _saliency(crop: bytes, model: Model, method: str, target: str) -> Saliency:
    face = np.frombuffer(crop, np.uint8).reshape(48, 48)
    return explain(model.classifier, face, method, target)
