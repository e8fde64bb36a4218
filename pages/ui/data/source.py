"""Source picker: built-in faces, a path on this machine, or an upload."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.data.synthetic import DEFAULT_COUNT, MAX_COUNT, MIN_COUNT, parse_source
from fer_core.formatting import pasted_path
from pages.ui.data.state import DataState
from pages.ui.shell import session
from pages.ui.shell.formatting import is_built_in
from pages.ui.shell.session import state_of
from pages.ui.shell.uploads import save_upload

_SOURCES: Final = {"built_in": "Built-in faces", "path": "On this machine", "upload": "Upload"}


def choose_source() -> None:
    """Let the user choose a source; the page opens it without using it yet."""
    recent = session.recent_sources()
    with st.container(border=True):
        way = st.segmented_control(
            "Source",
            list(_SOURCES),
            format_func=_SOURCES.__getitem__,
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
                "Skip unreadable images",
                value=session.skips_unreadable(viewed),
                key=f"skip-{viewed}",
                help="Off: loading fails if any image is unreadable. On: unreadable images are listed and skipped, here and in training.",
            )
            if skip != session.skips_unreadable(viewed):
                session.skip_unreadable(viewed, skip)


def _built_in() -> None:
    st.caption("Synthetic faces, drawn on this machine without any download: for trying everything out.")
    viewed = state_of(DataState).viewed
    with st.form("data-built-in", border=False):
        count = st.number_input(
            "How many",
            min_value=MIN_COUNT,
            max_value=MAX_COUNT,
            value=parse_source(viewed) or DEFAULT_COUNT,
            step=700,
            width=220,
            help=f"From {MIN_COUNT} to {MAX_COUNT:,}; the standard set has {DEFAULT_COUNT:,}. Fewer train faster; more train better.",
        )
        if st.form_submit_button("Open", icon=":material/folder_open:"):
            state_of(DataState).opened = session.BUILT_IN if count == DEFAULT_COUNT else f"{session.BUILT_IN}:{count}"
            st.rerun()


def _path(recent: list[str]) -> None:
    if recent:
        again = st.selectbox(
            "Recent sources",
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
            help="A folder or archive with one folder per class, FER2013's zip or csv, or another supported data set. The "
            "format is detected from the content.",
        )
        if st.form_submit_button("Open", icon=":material/folder_open:"):
            if typed := pasted_path(typed):
                state_of(DataState).opened = typed
                st.rerun()
            st.info("Enter the path of a file or folder on this machine.")


def _upload() -> None:
    file = st.file_uploader(
        "Data set file",
        type=["zip", "tar", "gz", "tgz", "bz2", "xz", "csv", "parquet", "npz"],
        help="The file is copied into the workspace on this machine and sent nowhere else.",
    )
    if file is None:
        return
    state = state_of(DataState)
    if state.saved_upload != file.file_id:
        with st.spinner("Saving the file…"):
            path = save_upload(file, file.name, session.workspace())
        state.saved_upload, state.opened = file.file_id, str(path)
