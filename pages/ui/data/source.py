"""Source picker: built-in faces, a path on this machine or, on a shared server, what it provides; or an upload."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.data.synthetic import DEFAULT_COUNT, MAX_COUNT, MIN_COUNT, parse_source
from fer_core.formatting import pasted_path
from pages.ui.data.state import DataState
from pages.ui.shell import session
from pages.ui.shell.formatting import distinct, is_built_in, source_name
from pages.ui.shell.identity import machine, provided, server_mode, without_paths
from pages.ui.shell.session import state_of
from pages.ui.shell.uploads import save_upload

_SOURCES: Final = {
    "built_in": "Built-in faces",
    "path": "On this machine",
    "provided": "Provided",
    "upload": "Upload",
}


def choose_source() -> None:
    """Let the user choose a source; the page opens it without using it yet."""
    viewed = state_of(DataState).viewed
    offered = provided()
    if server_mode() == "local":
        ways = ["built_in", "path", "upload"]
        first = "path"
    else:
        ways = ["built_in", *(["provided"] if offered else []), "upload"]
        first = "provided" if viewed in offered.values() else "upload"
    with st.container(border=True):
        way = st.segmented_control(
            "Source",
            ways,
            format_func=_SOURCES.__getitem__,
            default="built_in" if is_built_in(viewed) else first,
            key="data-way",
        )
        if way == "built_in":
            _built_in()
        elif way == "upload":
            _upload()
        elif way == "provided":
            _provided(offered)
        elif way == "path" or server_mode() == "local":
            _path(session.recent_sources())
        viewed = state_of(DataState).viewed
        if way != "built_in" and not is_built_in(viewed):
            skip = st.toggle(
                "Skip unreadable images",
                value=session.skips_unreadable(viewed),
                key=f"skip-{without_paths(viewed)}",
                help="Off: loading fails if any image is unreadable. On: unreadable images are listed and skipped, here and in training.",
            )
            if skip != session.skips_unreadable(viewed):
                session.skip_unreadable(viewed, skip)


def _built_in() -> None:
    st.caption(f"Synthetic faces, drawn on {machine()} without any download: for trying everything out.")
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


def _choose_again(label: str, sources: dict[str, str]) -> None:
    """Draw a box of sources, each with its display name, and a button that opens the selected one."""
    viewed = state_of(DataState).viewed
    again = st.selectbox(
        label,
        list(sources),
        index=list(sources).index(viewed) if viewed in sources else None,
        format_func=lambda source: sources.get(source, source),
        placeholder="Choose one",
        key="data-recent",
    )
    if again and again != viewed and st.button("Open", key="open-recent", icon=":material/folder_open:"):
        state_of(DataState).opened = again
        st.rerun()


def _provided(offered: dict[str, str]) -> None:
    st.caption("Data sets that this server provides to everybody. Your marks and class maps stay yours.")
    _choose_again("Data set", {source: name for name, source in offered.items()})


def _path(recent: list[str]) -> None:
    if recent:
        _choose_again("Recent sources", {source: source for source in recent})
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
    if server_mode() == "local":
        where = "The file is copied into the workspace on this machine and sent nowhere else."
    else:
        where = "The file is kept on this server for you alone."
        own = [source for source in session.recent_sources() if source not in provided().values()]
        if own:
            _choose_again("Your uploads", distinct({source: source_name(source) for source in own}))
    file = st.file_uploader(
        "Data set file",
        type=["zip", "tar", "gz", "tgz", "bz2", "xz", "csv", "parquet", "npz"],
        help=where,
    )
    if file is None:
        return
    state = state_of(DataState)
    if state.saved_upload != file.file_id:
        with st.spinner("Saving the file…"):
            path = save_upload(file, file.name, session.workspace())
        state.saved_upload, state.opened = file.file_id, str(path)
