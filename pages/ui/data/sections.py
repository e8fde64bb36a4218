"""The parts of the Data page: choosing a source, and what a loaded set looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import streamlit as st

from fer_core import figures
from fer_core.classes import EMOTIONS, FERPLUS_COLUMNS, LABELS
from fer_core.data.synthetic import DEFAULT_COUNT, MAX_COUNT, MIN_COUNT, parse_source
from pages.ui.components.gallery.face_wall import Face, Row, face_wall
from pages.ui.data.state import DataState
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import is_built_in, plain, source_name
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import state_of
from pages.ui.shell.uploads import save_upload

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_WAYS: Final = {"built_in": "Built-in faces", "path": "On this machine", "upload": "Upload"}
_SIZES: Final = {56: "Small", 84: "Medium", 132: "Large"}  # pixels of a face
_FACES_IN_A_ROW = 12


def choose_source() -> None:
    """Pick a source; the chosen one is opened on the page, not used yet."""
    recent = session.recent_sources()
    with st.container(border=True):
        way = st.segmented_control(
            "Where are the faces?",
            list(_WAYS),
            format_func=_WAYS.__getitem__,
            default="built_in" if is_built_in(state_of(DataState).viewed) else "path",
            key="data-way",
        )
        if way == "built_in":
            _built_in()
        elif way == "upload":
            _upload()
        else:
            _path(recent)
        viewed = state_of(DataState).viewed
        if way != "built_in" and not is_built_in(viewed):
            skip = st.toggle(
                "Leave out faces that cannot be read",
                value=session.skips_broken(viewed),
                key=f"skip-{viewed}",
                help="Off: data with broken faces are refused. On: they are named, counted and left out, here and in training.",
            )
            if skip != session.skips_broken(viewed):
                session.skip_broken(viewed, skip)


def _built_in() -> None:
    st.caption("Faces drawn on this machine, without any download. Good for trying everything out.")
    viewed = state_of(DataState).viewed
    with st.form("data-built-in", border=False):
        count = st.number_input(
            "How many",
            min_value=MIN_COUNT,
            max_value=MAX_COUNT,
            value=parse_source(viewed) or DEFAULT_COUNT,
            step=700,
            width=220,
            help=f"From {MIN_COUNT} to {MAX_COUNT:,}; the standard set has {DEFAULT_COUNT:,}. Few train faster, many better.",
        )
        if st.form_submit_button("Open", icon=":material/folder_open:"):
            state_of(DataState).opened = session.BUILT_IN if count == DEFAULT_COUNT else f"{session.BUILT_IN}:{count}"
            st.rerun()


def _path(recent: list[str]) -> None:
    if recent:
        again = st.selectbox(
            "Used before",
            recent,
            index=recent.index(state_of(DataState).viewed) if state_of(DataState).viewed in recent else None,
            placeholder="Choose one",
            key="data-recent",
        )
        if (
            again
            and again != state_of(DataState).viewed
            and st.button("Open", key="open-recent", icon=":material/folder_open:")
        ):
            state_of(DataState).opened = again
            st.rerun()
    with st.form("data-path", border=False):
        typed = st.text_input(
            "Path",
            placeholder="/home/me/fer2013.zip",
            help="The Kaggle zip or its folder, fer2013.csv or icml_face_data.csv, a csv with the columns label and "
            "feature, or any folder with one sub-folder per emotion. The kind is told by content.",
        )
        if st.form_submit_button("Open", icon=":material/folder_open:"):
            if typed.strip():
                state_of(DataState).opened = str(Path(typed.strip()).expanduser())
                st.rerun()
            st.info("Type the path of a zip, a csv or a folder on this machine first.")


def _upload() -> None:
    file = st.file_uploader(
        "A zip or csv of faces",
        type=["zip", "csv"],
        help="It is copied into the workspace on this machine and goes nowhere else.",
    )
    if file is None:
        return
    state = state_of(DataState)
    if state.saved_upload != file.file_id:
        with st.spinner("Saving the file…"):
            path = save_upload(file, file.name, session.workspace())
        state.saved_upload, state.opened = file.file_id, str(path)


def show_dataset(source: str, dataset: FaceDataset) -> None:
    """Counts, warnings and faces of a loaded set, with the button that makes it the data in use."""
    in_use = source == session.data_source()
    if not is_built_in(source) and source not in session.recent_sources():
        session.remember_source(source)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(plain(source_name(source) if is_built_in(source) else dataset.name), width="content")
        if in_use:
            st.badge("In use", icon=":material/check:", color="green")
        elif st.button("Use this data", type="primary", icon=":material/check:"):
            session.use_data(source)
            session.notify(f"{source_name(source)} is now the data in use.")
            st.rerun()
        if not is_built_in(source) and st.button(
            "Read again", icon=":material/refresh:", type="tertiary", help="After files in it were changed."
        ):
            cache.forget_dataset(source)
            st.rerun()
    with st.container(horizontal=True, gap="medium"):
        st.metric("Faces", f"{len(dataset):,}", width="content")
        for split, n in dataset.counts().items():
            st.metric(split.capitalize(), f"{n:,}", width="content")
        if dataset.votes is not None:
            voted = int((dataset.votes.sum(axis=1) > 0).sum())
            st.metric("With FER+ votes", f"{voted:,}", width="content")
    for warning in dataset.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    _balance(dataset)
    _wall(source, dataset)
    with st.expander("Identity of this data", icon=":material/fingerprint:"):
        st.write("The fingerprint is computed from every pixel, label and split. A trained model remembers it.")
        st.code(dataset.fingerprint, language=None, wrap_lines=True)
        if not is_built_in(source):
            st.code(source, language=None, wrap_lines=True)


def _balance(dataset: FaceDataset) -> None:
    per_class = dataset.per_class()
    what = one_of("Show", {"counts": "Counts", "shares": "Shares of each split"}, key="data-balance")
    chart(figures.class_counts(per_class, shares=what == "shares"), key="data-balance-chart")
    with st.expander("As a table", icon=":material/table:"):
        rows: list[dict[str, Any]] = [
            {"emotion": name, **{split: table[name] for split, table in per_class.items()}} for name in LABELS
        ]
        st.dataframe(rows, hide_index=True)


def _wall(source: str, dataset: FaceDataset) -> None:
    st.markdown("**Random faces of each emotion**")
    present = [split for split, n in dataset.counts().items() if n]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        split = st.selectbox("Split", ["all", *present], key="wall-split", width=140)
        only = st.selectbox("Emotion", ["all", *LABELS], key="wall-emotion", width=160)
        size = one_of("Size", _SIZES, default=84, key="wall-size", show_label=True)
        st.button(
            "Reshuffle",
            icon=":material/shuffle:",
            on_click=state_of(DataState).reshuffle,
            help="Show other random faces.",
        )
    rng = np.random.default_rng(state_of(DataState).seed)
    rows = []
    for emotion in EMOTIONS:
        if only not in ("all", emotion.name):
            continue
        here = dataset.labels == emotion.index
        if split != "all":
            here = here & (dataset.split == split)
        indices = np.flatnonzero(here)
        shown = _FACES_IN_A_ROW if only == "all" else 8 * _FACES_IN_A_ROW
        chosen = rng.permutation(indices)[:shown]
        rows.append(
            Row(
                title=emotion.name,
                colour=emotion.colour,
                note=f"{len(indices):,} faces · {emotion.action_units}" if len(indices) else "no faces here",
                faces=[
                    Face(str(i), dataset.images[i], f"{emotion.name}, {dataset.split[i]}: {dataset.ids[i]}. Enlarge")
                    for i in chosen
                ],
            )
        )
    picked = face_wall(rows, key="data-wall", size=size)
    if picked is not None and picked.isdigit() and int(picked) < len(dataset):
        _enlarged(dataset, int(picked))


@st.dialog("One face", width="medium")
def _enlarged(dataset: FaceDataset, index: int) -> None:
    from PIL import Image

    pixels = st.toggle("Show the pixels", help="Off: enlarged smoothly, as a person would see the face.")
    image = Image.fromarray(dataset.images[index])
    name = LABELS[int(dataset.labels[index])]
    image = image.resize((432, 432), Image.Resampling.NEAREST if pixels else Image.Resampling.BICUBIC)
    left, right = st.columns([3, 2])
    left.image(image, alt=f"A face labelled {name}", width="stretch")
    with right:
        st.markdown(f"**{name}**")
        st.caption(f"{dataset.split[index]} split")
        st.code(str(dataset.ids[index]), language=None, wrap_lines=True)
        if dataset.votes is not None and dataset.votes[index].any():
            st.caption("What ten people said (FER+)")
            votes = {column: int(n) for column, n in zip(FERPLUS_COLUMNS, dataset.votes[index], strict=True) if n}
            for column, n in sorted(votes.items(), key=lambda pair: -pair[1]):
                st.progress(n / max(1, sum(votes.values())), text=f"{column}: {n}")
