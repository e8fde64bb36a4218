"""The parts of the Overview page."""

from __future__ import annotations

import streamlit as st

from fer_core.formatting import SPLIT_NAMES, percent_with_interval
from fer_core.training.runs import running
from pages.ui.review.rows import sample_faces
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import is_built_in, plain, source_name
from pages.ui.shell.navigation import pages
from pages.ui.shell.runs import all_runs, run_table, summary

_RUNS_SHOWN = 6

NOT_FOR = (
    "**What this must not be used for.** A facial expression is not an emotion: people smile when they are not happy, "
    "and the labels here are guesses by strangers about single pictures. Never use it to judge pupils, staff or "
    "applicants. In the European Union, inferring emotions of people at work or in education is forbidden "
    "(AI Act, Art. 5(1)(f)), except for medical or safety reasons. When you teach with it, point the camera at yourself."
)


def at_hand() -> None:
    """Data, model and training, each in a card."""
    source = session.data_source()
    dataset = cache.loaded_dataset(source)
    models, model = cache.models(), cache.model_in_use()
    active = running(session.workspace())
    cards = st.columns(3)
    with cards[0].container(border=True, height="stretch"):
        st.caption(":material/photo_library: Data in use")
        st.markdown(f"**{plain(source_name(source))}**")
        if dataset is not None:
            st.caption(dataset.counts_text())
        else:
            st.caption("Drawn on this machine, no download" if is_built_in(source) else plain(source))
        st.page_link("pages/data.py", label="Look at the faces", icon=":material/arrow_forward:")
    with cards[1].container(border=True, height="stretch"):
        st.caption(":material/psychology: Model in use")
        if model is None:
            st.markdown("**None yet**")
            st.caption("The first training makes one.")
        else:
            st.markdown(f"**{plain(models[model])}**")
            st.caption(_model_figures(model))
        st.page_link("pages/train.py", label="Train another" if model else "Train one", icon=":material/arrow_forward:")
    with cards[2].container(border=True, height="stretch"):
        st.caption(":material/model_training: Training")
        if active is None:
            st.markdown("**Nothing is training**")
            n = len(all_runs())
            st.caption(f"{n} run{'' if n == 1 else 's'} in the workspace" if n else "No runs yet")
        else:
            st.markdown(f"**{plain(active.label.name)}**")
            st.caption("Training now; the sidebar shows its progress.")
        st.page_link("pages/train.py", label="Go to training", icon=":material/arrow_forward:")


def _model_figures(model: str) -> str:
    """The best figure in a checkpoint's header, with its interval and what it was measured on."""
    from fer_core.errors import FerError
    from fer_core.inference import read_info, resolve_model

    try:
        info = read_info(resolve_model(model, session.workspace()))
    except FerError as error:
        return plain(error)
    for split in ("test", "honest", "valid"):
        figures = info.metrics.get(split)
        if isinstance(figures, dict) and isinstance(figures.get("accuracy"), float):
            where = "faces never seen" if split == "honest" else f"{SPLIT_NAMES[split]} faces"
            if split == "valid" and info.protocol == "leaky":
                continue
            accuracy = percent_with_interval(figures["accuracy"], figures.get("accuracy_ci95"))
            return f"{info.architecture}, {accuracy} of {where}"
    return f"{plain(info.architecture)}, not evaluated yet"


def runs_so_far() -> None:
    """The newest runs with their best numbers."""
    runs = all_runs()
    st.subheader("Runs so far")
    if not runs:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.write("None yet. The built-in faces and the defaults are ready; a first training takes a minute or two.")
            st.page_link("pages/train.py", label="Start the first training", icon=":material/play_arrow:")
        return
    best = [(about.best.valid_accuracy, about) for run in runs if (about := summary(run)).best and not about.leaky]
    if best:
        _, about = max(best, key=lambda pair: pair[0])
        st.write(f"The highest honest validation accuracy is {about.valid_text}, by **{plain(about.name)}**.")
    run_table(runs[:_RUNS_SHOWN], key="overview-runs")
    if len(runs) > _RUNS_SHOWN:
        st.caption(f"The newest {_RUNS_SHOWN} of {len(runs)}; the Train page lists all.")


def next_steps() -> None:
    """The other pages, each with a sentence."""
    others = [page for page in pages() if page.file != "pages/overview.py"]
    st.subheader("Where to go next")
    for first in range(0, len(others), 3):
        for column, page in zip(st.columns(3), others[first : first + 3], strict=False):
            with column.container(border=True, height="stretch"):
                st.page_link(page.file, label=f"**{page.title}**", icon=page.icon)
                st.caption(page.what)


def not_for() -> None:
    """The plain sentence about what this must not be used for."""
    st.info(NOT_FOR, icon=":material/gavel:")


def some_faces() -> None:
    """A row of faces of the data in use; loads them with a progress bar, last on the page."""
    st.subheader("A few of the faces in use")
    if sample_faces(session.data_source(), key="overview-faces"):
        st.switch_page("pages/data.py")
