"""Takes from files on the Teach page: photos, clips, a folder with a sub-folder per class, a ZIP file of takes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from fer_core.faces import FaceDetector
from fer_core.formatting import counted, pasted_path
from fer_core.serve.quota import TAKE_BYTES, TAKE_FILES
from pages.ui.shell.background import Report, Stop, Task, background
from pages.ui.shell.formatting import plain
from pages.ui.shell.identity import server_mode
from pages.ui.shell.limits import limits
from pages.ui.shell.session import state_of
from pages.ui.shell.uploads import safe_name
from pages.ui.teach.classes import left_out_text
from pages.ui.teach.state import TeachState

if TYPE_CHECKING:
    from fer_core.teach import Imported, TakeStore

FILES, FOLDER = "teach-add-files", "teach-add-folder"
"""Keys of the background work."""
_KEPT: Final = "Originals are not kept; only the faces are."


def from_files() -> None:
    """Draw the ways to add takes without a camera."""
    store = state_of(TeachState).set_of_takes()
    with st.expander("Add takes from files", icon=":material/upload_file:"):
        st.caption(f"The photos of one upload are one take, and each clip is a take of its own. {_KEPT}")
        name = st.selectbox("Class", store.classes, key="teach-files-class", width=260)
        files = st.file_uploader(
            "Photos and clips", accept_multiple_files=True, key="teach-files", label_visibility="collapsed"
        )
        if files and name:
            _add_uploads(store, name, files)
        if server_mode() != "local":
            return
        typed = pasted_path(
            st.text_input(
                "Or a folder on this machine",
                placeholder="/home/me/takes",
                key="teach-folder",
                help="class/take/photos, or class/clip.mp4: sub-folders name the classes, and what they contain is a take each.",
            )
        )
        if typed:
            _add_folder(store, Path(typed))


def _add_uploads(store: TakeStore, name: str, files: Sequence[Any]) -> None:
    def prepare() -> Task:
        now = limits()
        now.require_upload(*(file.size for file in files), kept=False)
        now.require_space(TAKE_BYTES * len(files), TAKE_FILES * len(files), what="the takes")
        contents = [(safe_name(file.name), file.getvalue()) for file in files]

        def task(report: Report, stop: Stop) -> Imported:
            from fer_core.teach import add_files

            with tempfile.TemporaryDirectory() as folder:
                paths = []
                for number, (file, content) in enumerate(contents):
                    place = Path(folder) / str(number)
                    place.mkdir()
                    (place / file).write_bytes(content)
                    paths.append(place / file)
                return add_files(store, name, paths, FaceDetector(), progress=report, stop=stop)

        return task

    identity = (store.name, name, tuple(file.file_id for file in files))
    found = background(
        FILES, identity, "Add these files", prepare, doing="looking for faces", icon=":material/person_search:"
    )
    if found is not None:
        _report(found)


def _add_folder(store: TakeStore, folder: Path) -> None:
    def prepare() -> Task:
        limits().require_space(TAKE_BYTES, TAKE_FILES, what="the takes")

        def task(report: Report, stop: Stop) -> Imported:
            from fer_core.teach import import_folder

            return import_folder(store, folder, FaceDetector(), progress=report, stop=stop)

        return task

    found = background(
        FOLDER,
        (store.name, str(folder)),
        "Add this folder",
        prepare,
        doing="reading the folder",
        icon=":material/folder:",
    )
    if found is not None:
        _report(found)


def _report(found: Imported) -> None:
    """Say what was added, and which files have no usable face."""
    for take in found.takes:
        st.caption(
            f":material/check: {plain(take.class_name)}: {counted(take.faces, 'face')} from {plain(take.source)}. "
            f"{left_out_text(take)}"
        )
    for name, counts in found.empty:
        why = ", ".join(plain(reason) for reason in counts)
        st.warning(f"{plain(name)}: no usable face ({why}).", icon=":material/person_off:")
