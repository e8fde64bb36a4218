"""The views of an evaluation, one at a time."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.evaluate.calibration import certainty
from pages.ui.evaluate.compare import compare
from pages.ui.evaluate.matrix import matrix_and_faces
from pages.ui.evaluate.people import people
from pages.ui.evaluate.subject import Subject
from pages.ui.review.marking import marks_list
from pages.ui.shell import cache, session
from pages.ui.shell.errors import calm


def show(subject: Subject) -> None:
    """The views of an evaluation, one at a time."""
    views: dict[str, Any] = {
        "Matrix and faces": matrix_and_faces,
        "Certainty": certainty,
        "People": people,
        "Compare": compare,
        "Marks": _marks,
    }
    chosen = st.segmented_control(
        "View",
        list(views),
        default="Matrix and faces",
        required=True,
        key="evaluate-view",
        label_visibility="collapsed",
    )
    with calm(f"showing {chosen}"):
        st.fragment(views[chosen or "Matrix and faces"])(subject)


def _marks(subject: Subject) -> None:
    with calm("reading the marks"):
        marks_list(cache.dataset(session.data_source()), key="evaluate-marks-list")
