"""The lab report of a run: notes, a button, progress, and the download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from fer_core.jobs import ACTIVE
from fer_core.training.runs import Run, rename_run, slug
from pages.ui.shell import session
from pages.ui.shell.background import Report, Stop, Task, background
from pages.ui.shell.errors import guarded
from pages.ui.shell.formatting import plain
from pages.ui.shell.runs import summary
from pages.ui.shell.session import set_widget_value, state_of, widget_value
from pages.ui.train.state import TrainState

if TYPE_CHECKING:
    from fer_core.report.lab_report import LabReport


def report_of(run: Run) -> None:
    """Draw an expander with the notes and the report of a run."""
    now = run.state
    if now == "damaged":
        return
    with st.expander("Lab report", icon=":material/description:"):
        st.caption(
            "One HTML file with the network, log, curves, confusion matrix, saliency maps, filters and checked formulas "
            "of this run, the limits of its figures, and how to reproduce it. It opens offline; print it to PDF from "
            "the browser."
        )
        kept = run.label.notes
        key = f"report-notes-{run.id}"
        filled = state_of(TrainState).notes
        if filled.get(run.id) != kept or widget_value(key) is None:  # also when they were typed elsewhere
            set_widget_value(key, kept)
            filled[run.id] = kept
        st.text_area(
            "Notes",
            max_chars=20_000,
            height=110,
            key=key,
            help="Saved with the run and shown at the top of the report.",
            on_change=guarded(_keep_notes),
            args=(run, key),
        )
        if now in ACTIVE:
            st.info("This run is still training; the report shows its current state.", icon=":material/info:")
        elif now != "finished":
            st.info("This run is not evaluated yet; the report evaluates it.", icon=":material/info:")
        made: LabReport | None = background(
            "report",
            (run.id, run.label.name, kept, summary(run).epochs_done),
            "Create the report",
            lambda: _task(run),
            doing="creating the report",
            icon=":material/description:",
            help="Takes about a minute; the slowest results are cached.",
        )
        if made is not None:
            _offer(made)


def _keep_notes(run: Run, key: str) -> None:
    rename_run(run, run.label.name, widget_value(key))


def _task(run: Run) -> Task:
    workspace = session.workspace()

    def task(report: Report, stop: Stop) -> LabReport:
        from fer_core.report.lab_report import make_report

        return make_report(run, workspace=workspace, on_progress=report, should_stop=stop)

    return task


def _offer(made: LabReport) -> None:
    size = len(made.html.encode())
    st.success(f"Created in {made.seconds:.0f} s, {size / 1e6:.1f} MB.", icon=":material/check_circle:")
    for gap in made.gaps:
        st.caption(f"Not included: {plain(gap)}")
    st.download_button(
        "Download report (HTML)",
        made.html.encode(),
        f"report-{slug(made.name)}.html",
        "text/html",
        icon=":material/download:",
        on_click="ignore",
    )
