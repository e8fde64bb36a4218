"""Evaluated faces on a paged wall, to be opened and marked."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.classes import ClassList
from pages.ui.components.gallery import Group, gallery, pager
from pages.ui.evaluate.subject import Subject
from pages.ui.review.dialog import face_dialog
from pages.ui.review.marking import mark_bar
from pages.ui.review.review import read_review
from pages.ui.review.rows import face_tile
from pages.ui.review.state import MarkingState
from pages.ui.shell import session
from pages.ui.shell.errors import calm

PER_PAGE: Final = 48


def wall_of(subject: Subject, faces: npt.NDArray[np.int64], captions: list[str], *, key: str, notes: str = "") -> None:
    """A paged wall of evaluated faces that can be opened and marked; ``faces`` are places in the predictions."""
    review = read_review(subject.dataset)
    bar = st.container()
    page = pager(len(faces), PER_PAGE, key=key)
    tiles = []
    for place, caption in zip(faces[page], captions[page], strict=True):
        index = int(subject.positions[place])
        tiles.append(face_tile(subject.dataset, index, review.caption(index, caption)))
    picked = gallery(
        [Group(tiles, note=notes)],
        key=f"{key}-{page.start}-{session.state_of(MarkingState).round}",
        selectable=True,
    )
    with bar, calm("marking faces"):
        mark_bar(review, [int(i) for i in picked.selected], key="wall")
    if picked.opened is not None:
        index = int(picked.opened)
        place = int(np.searchsorted(subject.positions, index))
        face_dialog(review, index, subject.model, subject.classes, subject.predictions.probabilities[place])


def from_to(classes: ClassList, first: Any, second: Any) -> str:
    """``fear → sad``, from the positions of two classes."""
    return f"{classes[int(first)]} → {classes[int(second)]}"
