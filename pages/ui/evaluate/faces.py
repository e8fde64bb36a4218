"""A paged grid of evaluated faces that can be opened and marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
from pages.ui.shell.errors import error_boundary

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.evaluation.agreement import RatedPredictions

Ints = npt.NDArray[np.int64]

PER_PAGE: Final = 48


def wall_of(subject: Subject, faces: Ints, captions: list[str], *, key: str, notes: str = "") -> None:
    """Draw a paged grid of evaluated faces; ``faces`` are indices into the predictions."""
    seen = _Seen(subject.dataset, subject.positions, subject.classes, subject.predictions.probabilities)
    _wall(seen, subject.model, faces, captions, key, "wall", notes)


def rated_wall_of(subject: Subject, rated: RatedPredictions, faces: Ints, captions: list[str], *, key: str) -> None:
    """Draw a paged grid of faces with votes; ``faces`` are indices into ``rated``."""
    seen = _Seen(rated.dataset, rated.positions, rated.classes, rated.probabilities)
    _wall(seen, subject.model, faces, captions, key, "rated-wall")


@dataclass(frozen=True, eq=False)
class _Seen:
    """Faces of a data set, at ``positions``, ascending, and a model's probabilities for each, float32 (n, C)."""

    dataset: FaceDataset
    positions: Ints
    classes: ClassList
    probabilities: npt.NDArray[np.float32]


def _wall(seen: _Seen, model: str, faces: Ints, captions: list[str], key: str, marks: str, notes: str = "") -> None:
    review = read_review(seen.dataset)
    bar = st.container()
    page = pager(len(faces), PER_PAGE, key=key)
    tiles = []
    for place, caption in zip(faces[page], captions[page], strict=True):
        index = int(seen.positions[place])
        tiles.append(face_tile(seen.dataset, index, review.caption(index, caption)))
    picked = gallery(
        [Group(tiles, note=notes)],
        key=f"{key}-{page.start}-{session.state_of(MarkingState).round}",
        selectable=True,
    )
    with bar, error_boundary("marking faces"):
        mark_bar(review, [int(i) for i in picked.selected], key=marks)
    if picked.opened is not None:
        index = int(picked.opened)
        place = int(np.searchsorted(seen.positions, index))
        face_dialog(review, index, model, seen.classes, seen.probabilities[place])


def from_to(classes: ClassList, first: Any, second: Any) -> str:
    """Return ``fear → sad`` for two class indices."""
    return f"{classes[int(first)]} → {classes[int(second)]}"
