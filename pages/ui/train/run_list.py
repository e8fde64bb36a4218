"""Select a run, overlay several, and rename, copy, retrain or delete one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fer_core import charts
from fer_core.formatting import percent
from fer_core.jobs import ACTIVE
from fer_core.training.runs import Run, delete_run, rename_run
from pages.ui.shell import session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import error_boundary, guarded, show_pending_error
from pages.ui.shell.formatting import distinct, plain
from pages.ui.shell.forms import Form
from pages.ui.shell.limits import limits
from pages.ui.shell.runs import curves, run_color, started, summary
from pages.ui.shell.session import set_widget_value, state_of, widget_value
from pages.ui.train.form import copy_settings
from pages.ui.train.state import TrainState

_RUN = "train-run"  # key of the box


def choose_run(runs: Sequence[Run], active: Run | None) -> Run:
    """Return the run to show: the one selected before, else the one in training, else the newest."""
    ids = [run.id for run in runs]
    watched = state_of(TrainState).watched_run
    preferred = watched if watched in ids else active.id if active and active.id in ids else ids[0]
    names = distinct({run.id: f"{summary(run).name} · {started(run)}" for run in runs})
    set_widget_value(_RUN, preferred)
    chosen = st.selectbox(
        "Run", ids, format_func=lambda run_id: names.get(run_id, run_id), key=_RUN, on_change=_watch_chosen
    )
    return runs[ids.index(chosen)]


def _watch_chosen() -> None:
    state_of(TrainState).watched_run = widget_value(_RUN)


def compare(runs: Sequence[Run]) -> None:
    """Overlay the curves of several runs, one color per run; training curves are dotted."""
    left, right = st.columns(2)
    names = distinct({run.id: summary(run).name for run in runs})
    places: tuple[tuple[Any, charts.Quantity], ...] = ((left, "loss"), (right, "accuracy"))
    for column, quantity in places:
        lines = [
            line
            for position, run in enumerate(runs)
            for line in curves(
                run.records(), quantity, name=names[run.id], color=run_color(position), key=f"{run.id}-{quantity}"
            )
        ]
        title = (
            _best_of(runs, names) if quantity == "accuracy" else "Loss per run (solid: validation, dotted: training)"
        )
        with column:
            chart(
                charts.learning_curves(lines, quantity, title=title, revision="-".join(run.id for run in runs)),
                key=f"compare-{quantity}",
                height=380,
            )


def _best_of(runs: Sequence[Run], names: dict[str, str]) -> str:
    honest = [(about.best.valid_accuracy, run) for run in runs if (about := summary(run)).best and not about.leaky]
    if not honest:
        return "None of these runs has a leak-free validation accuracy yet"
    accuracy, run = max(honest, key=lambda pair: pair[0])
    text = f"{names[run.id]} reaches the highest validation accuracy: {percent(accuracy)}"
    return text + (" (without leaky runs)" if any(summary(run).leaky for run in runs) else "")


def evaluate(run: Run) -> None:
    """Draw a button that opens the run on the Evaluate page."""
    if (run.path / "best.safetensors").is_file() and st.button(
        "Evaluate",
        icon=":material/grid_on:",
        key="evaluate-run",
        help="Confusion matrix, and the faces in each cell.",
    ):
        session.study_model(run.id)
        st.switch_page("pages/evaluate.py")


def manage(run: Run, form: Form) -> None:
    """Draw the menu of actions on a run."""
    now = run.state
    with st.popover("Manage", icon=":material/more_horiz:"):
        if now != "damaged":
            if st.button("Rename, notes", icon=":material/edit:", key="manage-rename", width="stretch"):
                _rename(run)
            if st.button(
                "Copy settings",
                icon=":material/content_copy:",
                key="manage-copy",
                width="stretch",
                help="Fills the form with the settings of this run.",
            ):
                _copy(form, run, from_weights=False)
            if (run.path / "best.safetensors").is_file() and st.button(
                "Retrain from these weights",
                icon=":material/replay:",
                key="manage-retrain",
                width="stretch",
                help="Fills the form with the settings of this run and initializes from its best weights.",
            ):
                _copy(form, run, from_weights=True)
        if st.button("Delete", icon=":material/delete:", key="manage-delete", width="stretch", disabled=now in ACTIVE):
            _delete(run)


def _copy(form: Form, run: Run, *, from_weights: bool) -> None:
    with error_boundary("copying the settings"):
        copy_settings(form, run, from_weights=from_weights)
        start = f" It initializes from the weights of {run.label.name}." if from_weights else ""
        session.notify(f"Copied the settings of {run.label.name} into the form.{start}")
        st.rerun()


@st.dialog("Name and notes")
def _rename(run: Run) -> None:
    label = run.label
    st.text_input("Name", value=label.name, max_chars=80, key="rename-name")
    st.text_area("Notes", value=label.notes, max_chars=20_000, height=160, key="rename-notes")
    pressed = st.button("Save", type="primary", on_click=guarded(_rename_now), args=(run,))
    if not show_pending_error() and pressed:
        st.rerun()


def _rename_now(run: Run) -> None:
    rename_run(run, widget_value("rename-name"), widget_value("rename-notes"))


@st.dialog("Delete this run?")
def _delete(run: Run) -> None:
    about = summary(run)
    st.write(f"This permanently deletes **{plain(about.name)}** with its epochs, weights and log.")
    with st.container(horizontal=True):
        pressed = st.button(
            "Delete permanently", type="primary", icon=":material/delete:", on_click=guarded(_delete_now), args=(run,)
        )
        kept_it = st.button("Cancel")
    if kept_it or (not show_pending_error() and pressed):
        st.rerun()


def _delete_now(run: Run) -> None:
    name = run.label.name
    delete_run(run)
    limits().changed()
    limits().note("deleted")
    state_of(TrainState).watched_run = None
    session.notify(f"Deleted {name}.")
