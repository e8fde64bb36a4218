"""What happens to takes and models on the Teach page: used elsewhere, exported, imported, or deleted."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.errors import ConfigError
from fer_core.formatting import counted
from pages.ui.shell import session
from pages.ui.shell.background import discard
from pages.ui.shell.errors import error_boundary, guarded
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits import limits
from pages.ui.shell.navigation import model_link, takes_link
from pages.ui.shell.session import state_of, widget_value
from pages.ui.teach.classes import forget_strips
from pages.ui.teach.files import FILES, FOLDER
from pages.ui.teach.recording import is_recording
from pages.ui.teach.state import TeachState
from pages.ui.teach.training import TRAINING

if TYPE_CHECKING:
    from fer_core.teach import TakeStore, Taught

_LONGEST_WAIT: Final = 20.0  # seconds, for the end of work that would write what is being deleted
_MOST_BYTES: Final = 200  # MB of an imported ZIP file


def choose_set() -> None:
    """Draw the choice of the set of takes; a new name starts a new one."""
    from fer_core.teach import list_stores

    state = state_of(TeachState)
    name = state.set_of_takes().name
    names = list(dict.fromkeys((name, *list_stores(session.workspace()))))
    key = f"teach-set-{name}"
    st.selectbox(
        "Name of these classes",
        names,
        key=key,
        accept_new_options=True,
        on_change=guarded(_open),
        args=(key,),
        disabled=is_recording(),
        help="The model gets this name on all pages. Type a new name to start other classes.",
        width=260,
    )


def _open(key: str) -> None:
    state_of(TeachState).open(str(widget_value(key) or "").strip())


def use_elsewhere(taught: Taught, store: TakeStore) -> None:
    """Draw links to the pages that go on with the model or its takes."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.markdown(f"**Use {plain(taught.name)}**", width="content")
        model_link("pages/upload.py", taught.name, "Upload", ":material/add_photo_alternate:")
        model_link("pages/webcam.py", taught.name, "Webcam", ":material/videocam:")
        takes_link("pages/train.py", store.name, "Train with these takes", ":material/model_training:")
    st.caption(
        f"On the command line: `fer-lab predict PHOTO --model '{taught.name}'`. Train goes on with the whole network, which takes "
        "longer and needs more takes."
    )


def keep_or_delete(store: TakeStore) -> None:
    """Draw export, import and deletion of the takes."""
    from fer_core.teach import export_zip

    with st.expander("Export, import, delete", icon=":material/folder_zip:"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            if store.exists:
                st.download_button(
                    "Export takes (ZIP)",
                    lambda: export_zip(store),
                    f"{store.name}.zip",
                    "application/zip",
                    icon=":material/download:",
                    on_click="ignore",
                    key="teach-export",
                )
            if st.button("Delete everything about me", icon=":material/delete_forever:", key="teach-delete-all"):
                _confirm()
        file = st.file_uploader(
            "Import takes (ZIP)",
            type="zip",
            key="teach-import-file",
            max_upload_size=_MOST_BYTES,
            help="A file that this page exported.",
        )
        if file is not None and st.button("Import the takes", icon=":material/upload:", key="teach-import"):
            with error_boundary("importing the takes"):
                _import(file.getvalue(), file.name)


def _import(content: bytes, file: str) -> None:
    """Import takes under the name of their file, numbered if there is one already, and show them."""
    from fer_core.teach import check_name, import_zip, list_stores

    now = limits()
    now.require_upload(len(content), kept=False, what="the import")
    now.require_space(len(content), _entries_of(content), what="the import")
    workspace, state = session.workspace(), state_of(TeachState)
    stem, taken = file.rpartition(".")[0] or "imported", list_stores(workspace)
    name = next(one for n in range(1, 1000) if (one := stem if n == 1 else f"{stem} {n}") not in taken)
    try:
        check_name(name)
    except ConfigError:
        name = next(one for n in range(1, 1000) if (one := f"imported {n}") not in taken)
    store = import_zip(content, workspace, name)
    state.open(store.name)
    session.notify(f"Imported {counted(len(store.takes()), 'take')} as {store.name}.")
    st.rerun()


def _entries_of(content: bytes) -> int:
    """Return the number of files in a zip; 1 for what is no zip, which the import says."""
    with suppress(zipfile.BadZipFile):
        return len(zipfile.ZipFile(io.BytesIO(content)).infolist())
    return 1


@st.dialog("Delete everything about me")
def _confirm() -> None:
    st.markdown(
        "This deletes **all** takes, all models taught from them, all trainings on them, and the features computed from your "
        "faces, for every name in this workspace. It cannot be undone. Recordings and snapshots of the live view stay in the folder *recordings*; "
        "exported files stay where you saved them."
    )
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "Delete it all",
            type="primary",
            icon=":material/delete_forever:",
            key="teach-delete-sure",
            on_click=guarded(delete_all),
        ):
            st.rerun()
        if st.button("Keep it", key="teach-delete-not"):
            st.rerun()


def delete_all() -> None:
    """Delete takes, models and features, and remember what was removed to say it.

    Raises:
        RunError: a training on the takes is running.
        WorkspaceError: something cannot be deleted.
    """
    from fer_core.teach import delete_everything

    state, workspace = state_of(TeachState), session.workspace()
    for work in (TRAINING, FILES, FOLDER):
        discard(work, wait=_LONGEST_WAIT)
    gone = delete_everything(workspace)
    limits().changed()
    limits().note("deleted")
    state.clear()
    forget_strips()
    state.deleted = gone.sentence
