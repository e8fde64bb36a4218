"""The sidebar: menu, data and model in use, progress of a running training, and the workspace folder or the account."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from fer_core.jobs import ACTIVE
from fer_core.store import Store
from fer_core.training.runs import Run, list_runs, running
from pages.ui.shell import cache, session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import folder_name, plain, source_name
from pages.ui.shell.identity import server_mode
from pages.ui.shell.identity.gate import account
from pages.ui.shell.limits.trainings import position_text
from pages.ui.shell.navigation import menu, requested_choice
from pages.ui.shell.runs import progress_text

_POLL = 2.0  # seconds
_MODEL_BOX = "model-in-use"


def sidebar(*, photos: bool = False) -> None:
    """Draw the sidebar without loading data or torch.

    Args:
        photos: whether the page is for photos or the webcam, which use another default model.
    """
    _follow_link()
    with st.sidebar:
        menu()
        if notice := session.pop_notice():
            st.toast(plain(notice), icon=":material/check:")
        run = running(session.workspace()) or _queued()
        if run is not None:
            # Polls only during a training, and does not rerun the page at its end: a user may be typing there.
            st.fragment(_training, run_every=_POLL)(str(run.path))
        _data()
        _model(photos)
        _workspace()
        account()


def _follow_link() -> None:
    """Use the model or the takes that a link of the Teach page names, if they exist."""
    model, takes = requested_choice()
    if model in cache.models():
        session.use_model(model)
    if takes is not None:
        from fer_core.teach import list_stores

        workspace = session.workspace()
        if takes in list_stores(workspace):
            session.use_data(str(workspace.takes / takes))


def _queued() -> Run | None:
    """Return the oldest training that waits in the queue of a shared server."""
    if server_mode() == "local":
        return None
    return next((run for run in reversed(list_runs(session.workspace())) if run.status.state == "queued"), None)


def _training(path: str) -> None:
    run = Run(Path(path))
    with error_boundary("reading the progress of the training"), st.container(border=True):
        now = run.state
        st.markdown(f":material/model_training: **{plain(run.label.name)}**")
        if now in ACTIVE:
            share, text = progress_text(run, now)
            st.progress(share, text=text)
        elif now == "queued":
            st.caption(position_text(run))
        else:
            st.caption(f"Training ended: {now}.")
        st.page_link("pages/train.py", label="Open the run", icon=":material/arrow_forward:")


def _data() -> None:
    source = session.data_source()
    with st.container(border=True, gap="xxsmall"):
        st.caption("Data in use")
        st.markdown(f"**{plain(source_name(source))}**")
        dataset = cache.loaded_dataset(source)
        if dataset is not None:
            st.caption(dataset.counts_text())
        st.page_link("pages/data.py", label="Change data", icon=":material/photo_library:")


def _model(photos: bool) -> None:
    available = cache.models()
    with st.container(border=True, gap="xxsmall"):
        if not available:
            st.caption("Model in use")
            st.markdown("**None yet**")
            st.page_link("pages/train.py", label="Train one", icon=":material/model_training:")
            return
        current = cache.photo_model() if photos else cache.model_in_use()
        # One key for all models: a new box per model would lose a selection made before the browser has the new box.
        session.set_widget_value(_MODEL_BOX, current)
        st.selectbox(
            "Model in use",
            list(available),
            format_func=lambda name: available.get(name, name),
            key=_MODEL_BOX,
            on_change=_use_chosen,
            help="All pages use this model: a shipped one, or the best weights of a run. Until you choose one, Upload and "
            "Webcam use a model trained on the votes of several people.",
        )


def _use_chosen() -> None:
    session.use_model(session.widget_value(_MODEL_BOX))


def _workspace() -> None:
    if server_mode() == "local":
        st.caption(
            f"Workspace: {plain(folder_name(session.workspace().root))}",
            help="Folder of runs, marks, recordings and uploads. To use another one, set the environment variable "
            "FER_HOME before you start the app.",
        )
    with error_boundary("checking the cache"):
        if problem := Store(session.workspace()).problem:
            st.warning(plain(f"Results cannot be cached. {problem}"), icon=":material/save:")
