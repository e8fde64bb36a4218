"""The sidebar: the menu, the data and the model in use, the progress of a running training, and where the workspace is."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from fer_core.jobs import ACTIVE
from fer_core.store import Store
from fer_core.training.runs import Run, running
from pages.ui.shell import cache, session
from pages.ui.shell.errors import calm
from pages.ui.shell.formatting import folder_name, plain, source_name
from pages.ui.shell.navigation import menu
from pages.ui.shell.runs import progress_text

_POLL = 2.0  # seconds
_MODEL_BOX = "model-in-use"


def sidebar(*, photos: bool = False) -> None:
    """Draw it; nothing here loads data or torch.

    Args:
        photos: whether the page is about people's own pictures, for which another model is taken where none is chosen.
    """
    with st.sidebar:
        menu()
        if notice := session.take_notice():
            st.toast(plain(notice), icon=":material/check:")
        run = running(session.workspace())
        if run is not None:
            # Polls only while something trains. It forces no rerun of the page at the end: somebody may be working there.
            st.fragment(_training, run_every=_POLL)(str(run.path))
        _data()
        _model(photos)
        _workspace()


def _training(path: str) -> None:
    run = Run(Path(path))
    with calm("reading the training's progress"), st.container(border=True):
        now = run.state
        st.markdown(f":material/model_training: **{plain(run.label.name)}**")
        if now in ACTIVE:
            share, text = progress_text(run, now)
            st.progress(share, text=text)
        else:
            st.caption(f"Training ended: {now}.")
        st.page_link("pages/train.py", label="Watch it", icon=":material/arrow_forward:")


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
        # The box keeps its key, and takes its value from here: a box made anew for each model would forget a choice
        # that is made before the browser has heard of the new box.
        session.set_widget_value(_MODEL_BOX, current)
        st.selectbox(
            "Model in use",
            list(available),
            format_func=lambda name: available.get(name, name),
            key=_MODEL_BOX,
            on_change=_use_chosen,
            help="Pages that need a trained network use this one: a shipped model, or the best weights of a run. "
            "Until one is chosen, Upload and Webcam take a model that was trained on what people say.",
        )


def _use_chosen() -> None:
    session.use_model(session.widget_value(_MODEL_BOX))


def _workspace() -> None:
    st.caption(
        f"Workspace: {plain(folder_name(session.workspace().root))}",
        help="Runs, marks, recordings and uploads are kept in this folder. To use another one, set the environment "
        "variable FER_HOME before you start the app.",
    )
    with calm("looking at the cache"):
        if problem := Store(session.workspace()).problem:
            st.warning(plain(f"Results cannot be kept. {problem}"), icon=":material/save:")
