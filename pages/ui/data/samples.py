"""Sample faces: random faces of each class, and an enlarged view of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import streamlit as st

from fer_core.classes import Emotion
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.data.state import DataState
from pages.ui.review.face import enlarged_face, people_said, votes_for
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import state_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


_SIZES: Final = {56: "Small", 84: "Medium", 132: "Large"}  # pixels of a face
_FACES_IN_A_ROW = 12


def show_samples(dataset: FaceDataset) -> None:
    """Show random faces of each class; a click enlarges one."""
    st.markdown("**Random faces of each class**")
    present = [split for split, n in dataset.counts().items() if n]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        split = st.selectbox("Split", ["all", *present], key="wall-split", width=140)
        only = st.selectbox(
            "Class",
            [None, *range(len(dataset.classes))],
            format_func=lambda label: "all" if label is None else dataset.classes[label],
            key=f"wall-class-{dataset.cache_key[:12]}",
            width=160,
        )
        size = one_of("Size", _SIZES, default=84, key="wall-size", show_label=True)
        st.button(
            "Reshuffle",
            icon=":material/shuffle:",
            on_click=state_of(DataState).reshuffle,
            help="Shows other random faces.",
        )
    rng = np.random.default_rng(state_of(DataState).seed)
    rows = []
    for label, name in enumerate(dataset.classes):
        if only not in (None, label):
            continue
        emotion = dataset.classes.emotions[label]
        here = dataset.labels == label
        if split != "all":
            here = here & (dataset.split == split)
        indices = np.flatnonzero(here)
        shown = _FACES_IN_A_ROW if only is None else 8 * _FACES_IN_A_ROW
        chosen = rng.permutation(indices)[:shown]
        rows.append(
            Group(
                [Tile(str(i), dataset.images[i], f"{name}, {dataset.split[i]}: {dataset.ids[i]}") for i in chosen],
                title=name,
                note=_note(len(indices), emotion),
                color=dataset.classes.colors[label],
            )
        )
    opened = gallery(rows, key="data-wall", size=size, whole_rows=True).opened
    if opened is not None:
        _enlarged(dataset, int(opened))


@st.dialog("One face", width="medium")
def _enlarged(dataset: FaceDataset, index: int) -> None:
    pixels = st.toggle("Show the pixels", help="Off: smooth enlargement.")
    name = dataset.label_name(index)
    left, right = st.columns([3, 2])
    with left:
        enlarged_face(dataset.images[index], name, smooth=not pixels)
    with right:
        st.markdown(f"**{plain(name)}**")
        st.caption(f"{dataset.split[index]} split")
        st.code(str(dataset.ids[index]), language=None, wrap_lines=True)
        if votes := votes_for(dataset, index):
            total = sum(votes.values())
            st.caption(people_said(dataset, "ten" if total == 10 else str(total)))
            for column, n in votes.items():
                st.progress(n / total, text=f"{plain(column)}: {n}")


def _note(faces: int, emotion: Emotion | None) -> str:
    """Return the number of faces and, for an emotion, its action units."""
    if not faces:
        return "no faces here"
    return f"{faces:,} faces · {emotion.action_units}" if emotion else f"{faces:,} faces"
