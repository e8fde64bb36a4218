"""Occlude a part of the face by hand and compare the probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import streamlit as st

from fer_core.charts import probability_bars, selectable
from fer_core.explanation import occlude
from fer_core.images import enlarge, png
from fer_core.photos import FacePrediction
from fer_core.preprocess import FACE_SIZE
from pages.ui.shell import session
from pages.ui.shell.charts import chart
from pages.ui.upload.manual_box import selected_box
from pages.ui.upload.photo_cache import Model
from pages.ui.upload.state import UploadState

_COVERED: Final = "cover"
_MOUTH: Final = (14, 32, 20, 10)  # left, top, width, height in a face cropped as in FER2013


def occlude_manually(face: FacePrediction, model: Model) -> None:
    """Draw an expander that occludes a patch of the face with gray; computes nothing while it is closed."""
    more = st.expander("Cover a part of the face", icon=":material/visibility_off:", key=_COVERED, on_change="rerun")
    if more.open:
        with more:
            _patch(face, model)


def _patch(face: FacePrediction, model: Model) -> None:
    """Draw the face to drag a rectangle in, the occluded face, and both predictions."""
    state = session.state_of(UploadState)
    key = f"occlusion-{model.name}-{hash(face.crop.tobytes())}"
    names = [f"{key}-{field}" for field in ("left", "top", "width", "height")]

    def dragged() -> None:
        box = selected_box(key)
        if box:
            left, top = (int(min(max(np.floor(v), 0), FACE_SIZE - 1)) for v in box[:2])
            right, bottom = (int(np.clip(np.ceil(a + b), 1, FACE_SIZE)) for a, b in zip(box[:2], box[2:], strict=True))
            for name, value in zip(names, (left, top, max(1, right - left), max(1, bottom - top)), strict=True):
                session.set_widget_value(name, value)

    # Streamlit drops the values of undrawn fields, and the browser shows only values that the current run sets.
    for name, value in zip(names, state.patches.get(key, _MOUTH), strict=True):
        session.preset_widget(name, value)
    select, result, bars = st.columns([1, 1, 2], gap="medium")
    with select:
        st.caption("Drag a rectangle, or enter one.")
        big = png(enlarge(face.crop, 8 * FACE_SIZE), fast=True)
        st.plotly_chart(
            selectable(big, FACE_SIZE, FACE_SIZE, "png").update_layout(height=230),
            key=key,
            on_select=dragged,
            selection_mode="box",
            config={"displayModeBar": False},
            alt="The face, to drag a rectangle in",
        )
        values = _patch_numbers(names)
    state.patches[key] = values
    covered = occlude(model.classifier, face.crop, *values)
    with result:
        st.caption("The occluded face.")
        shown = enlarge(covered.face, 5 * FACE_SIZE, smooth=False)
        st.image(shown, width=230, alt="The face with the patch")
    with bars:
        before, after = (face.labels[int(p.argmax())] for p in (covered.before, covered.after))
        fall = float(covered.after[face.labels.index(before)] - covered.before[face.labels.index(before)])
        if before == after:
            title = f"Still {after}; {before} {'falls' if fall < 0 else 'rises'} by {abs(100 * fall):.0f} points"
        else:
            title = f"{after} instead of {before}; {before} falls by {abs(100 * fall):.0f} points"
        chart(
            probability_bars(face.classes, covered.after, title, other=covered.before, names=("occluded", "original")),
            key=f"{_COVERED}-bars",
            height=330,
        )
        st.caption("Filled: occluded. Hollow: original.")


def _patch_numbers(keys: Sequence[str]) -> tuple[int, ...]:
    """Draw four number inputs for the patch, in pixels of the face."""
    fields: list[Any] = []
    rows = st.columns(2), st.columns(2)
    places = [column for row in rows for column in row]
    for place, key, title, low, high in zip(
        places,
        keys,
        ("Left", "Top", "Width", "Height"),
        (0, 0, 1, 1),
        (FACE_SIZE - 1, FACE_SIZE - 1, FACE_SIZE, FACE_SIZE),
        strict=True,
    ):
        fields.append(place.number_input(title, min_value=low, max_value=high, step=1, key=key))
    return tuple(int(value) for value in fields)
