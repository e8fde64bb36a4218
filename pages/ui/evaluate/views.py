"""The views of an evaluation."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui.evaluate.calibration import certainty
from pages.ui.evaluate.compare import compare
from pages.ui.evaluate.matrix import matrix_and_faces
from pages.ui.evaluate.people import people
from pages.ui.evaluate.subject import Subject
from pages.ui.review.marking import marks_list
from pages.ui.review.review import read_review
from pages.ui.shell import cache, session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.pickers import one_of


def show(subject: Subject) -> None:
    """Draw the selected view of an evaluation."""
    views: dict[str, tuple[str, Callable[[Subject], None]]] = {
        "matrix": ("Matrix and faces", matrix_and_faces),
        "certainty": ("Calibration", certainty),
        "people": ("People", people),
        "compare": ("Compare", compare),
        "marks": ("Marks", _marks),
    }
    chosen = one_of("View", {name: title for name, (title, _) in views.items()}, key="evaluate-view")
    title, draw = views[chosen]
    with error_boundary(f"showing {title}"):
        st.fragment(draw)(subject)


def _marks(subject: Subject) -> None:
    with error_boundary("reading the marks"):
        marks_list(read_review(cache.dataset(session.data_source())), key="evaluate-marks-list")
