"""Sample photographs with the model's predictions drawn in, for pages that have nothing else to show yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from fer_core.resources import asset
from pages.ui.model.sensitivity import sensitive_classifier
from pages.ui.shell import session

if TYPE_CHECKING:
    from fer_core.inference import Classifier

_LONGEST_SIDE = 1100
"""Pixels of the drawn photograph."""


@dataclass(frozen=True)
class Sample:
    """A sample photograph as a page shows it.

    Attributes:
        image: PNG.
        description: the predictions as text, for screen readers.
    """

    image: bytes
    description: str


def sample_path(name: str) -> Path:
    """The plain photograph ``name`` in ``assets/samples``."""
    return asset("samples", name)


def annotated_sample(name: str, model: str, *, bars: bool = False) -> Sample:
    """Draw a model's predictions into a sample photograph; computed once per model, sensitivity and photograph.

    Args:
        name: File name in ``assets/samples``.
        model: Name or run id.
        bars: Draw the probabilities of all classes next to each face.

    Raises:
        ModelError: The model does not exist, or its file is damaged.
    """
    from fer_core.inference import resolve_model

    classifier = sensitive_classifier(model)
    path = resolve_model(model, session.workspace())
    return _drawn(name, str(path), path.stat().st_mtime_ns, classifier.sensitivity, bars, classifier)


@st.cache_resource(max_entries=20, show_spinner=False)
def _drawn(name: str, path: str, changed: int, sensitivity: float, bars: bool, _classifier: Classifier) -> Sample:
    from fer_core.annotate import draw_marks
    from fer_core.annotate.photo import photo_marks
    from fer_core.faces import FaceDetector
    from fer_core.images import fit, png, read_photo
    from fer_core.photos import predict_image

    photo = read_photo(sample_path(name))
    result = predict_image(photo, FaceDetector(), _classifier)
    canvas = fit(photo.rgb, _LONGEST_SIDE)
    drawn = draw_marks(canvas, photo_marks(result, canvas.shape[1]), bars=bars)
    labels = ", ".join("not sure" if face.abstained else face.label for face in result.faces)
    return Sample(png(drawn, fast=True), f"Drawn sample faces, predicted: {labels}")
