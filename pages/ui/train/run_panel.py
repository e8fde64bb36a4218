"""A run, live: progress, curves that update in place, log lines, stop and resume."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from fer_core import charts
from fer_core.errors import FerError
from fer_core.formatting import percent
from fer_core.jobs import ACTIVE
from fer_core.training.runs import EpochRecord, Run, State
from pages.ui.components.live_chart import live_chart
from pages.ui.review.rows import sample_faces
from pages.ui.shell.errors import error_boundary, guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.identity import without_paths
from pages.ui.shell.limits.trainings import position_text, resume_training, stop_training
from pages.ui.shell.runs import can_resume, curves, explain_state, progress_text, state_badge, summary
from pages.ui.shell.session import state_of
from pages.ui.train.state import TrainState

_POLL = 1.0  # seconds between two polls
_FOLLOWED: Final = ACTIVE | {"queued"}
"""States in which a run changes by itself."""

LEAK_EXPLANATION = (
    "**Why two accuracies?** The leaky protocol also trains on the “validation” faces, as the lab report did. Their curve "
    "shows how well the network remembers, not how well it generalizes. The dashed line is leak-free: faces that were "
    "never trained on and have no duplicate among the training faces."
)


def no_run_yet(source: str) -> None:
    """Explain what a training shows, with sample faces of the data."""
    with st.container(border=True):
        st.subheader("No training yet")
        st.write(
            "The settings are ready: press **Start training** to see loss and accuracy here, epoch by epoch. Training "
            "continues when you leave this page, close the browser or restart the server."
        )
    sample_faces(source, title="Sample faces", key="train-faces", each=6)


def run_panel(run: Run) -> None:
    """Draw a run; during its training the panel refreshes every second."""
    active = run.state in _FOLLOWED
    st.fragment(_panel, run_every=_POLL if active else None)(str(run.path), active)


def _panel(path: str, was_active: bool) -> None:
    run = Run(Path(path))
    with error_boundary("reading the run"):
        now = run.state
        if was_active and now not in _FOLLOWED:
            st.rerun()  # rerun the whole page: lists, models and buttons depend on the final state
        show_pending_error()
        _header(run, now)
        _controls(run, now)
        if words := explain_state(run, now):
            (st.error if now in ("failed", "damaged") else st.info)(words)
        if now == "damaged":
            return
        records = run.records()
        _numbers(run, now, records)
        _charts(run, records)
        _log(run)


def _header(run: Run, now: State) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {plain(run.label.name)}", width="content")
        state_badge(now)
    if notes := run.label.notes:
        st.caption(plain(notes))
    if (processes := run.processes) > 1:
        st.caption(f"{processes} processes share each batch of up to {run.config.batch_size:,} faces.")
    if now in ACTIVE:
        share, text = progress_text(run, now)
        st.progress(share, text=text)


def _controls(run: Run, now: State) -> None:
    if now in ("running", "starting"):
        st.button(
            "Stop",
            icon=":material/stop_circle:",
            help="Finishes the current step and saves. You can resume the run.",
            key=f"stop-{run.id}",
            disabled=now == "starting",
            on_click=guarded(stop_training),
            args=(run,),
        )
    elif now == "queued":
        st.button(
            "Cancel",
            icon=":material/close:",
            help="Takes the training out of the queue. You can resume it later.",
            key=f"cancel-{run.id}",
            on_click=guarded(stop_training),
            args=(run,),
        )
        st.caption(position_text(run))
    elif now == "stopping":
        st.caption("Finishing the current step and saving…")
    elif can_resume(now) and st.button(
        "Resume",
        icon=":material/play_arrow:",
        type="primary",
        key=f"resume-{run.id}",
        help="Continue where the run stopped.",
    ):
        try:
            resume_training(run)
        except FerError as error:
            st.error(plain(error), icon=":material/error:")
        else:
            state_of(TrainState).watched_run = run.id
            st.rerun()


def _numbers(run: Run, now: State, records: list[EpochRecord]) -> None:
    about, status = summary(run), run.status
    best = about.best
    cells: list[tuple[str, str, str | None]] = []
    if best is not None:
        where = f"Highest of all epochs, in epoch {best.epoch}, whose weights are saved; with its 95% interval."
        if about.leaky:
            cells.append(("“Validation” accuracy (leaky)", percent(best.valid_accuracy), where))
            cells.append(("Leak-free accuracy", about.leak_free_text, "On faces never trained on, at the same epoch."))
        else:
            cells.append(("Best validation accuracy", about.valid_text, where))
    if about.test_accuracy is not None:
        cells.append(("Test accuracy", about.test_text, "Best weights on the test split, evaluated once at the end."))
    if now in ACTIVE and status.train_loss is not None:
        cells.append(
            ("Current training loss", f"{status.train_loss:.4f}", "Mean of the current epoch so far, in nats.")
        )
    if now in ACTIVE and status.learning_rate is not None:
        cells.append(("Learning rate", f"{status.learning_rate:.2e}", "At the last step of the schedule."))
    elif records:
        speed = sum(r.images_per_second for r in records) / len(records)
        cells.append(("Speed", f"{speed:,.0f} images/s", "Mean of all epochs."))
    if cells:
        with st.container(horizontal=True, gap="medium"):
            for label, value, help_text in cells:
                st.metric(label, value, help=help_text, width="content")


def _charts(run: Run, records: list[EpochRecord]) -> None:
    leaky = summary(run).leaky
    planned = run.config.epochs
    valid = [record.valid_accuracy for record in records]
    honest = [record.honest_accuracy for record in records if record.honest_accuracy is not None]
    titles = {
        "loss": charts.loss_finding([r.train_loss for r in records], [r.valid_loss for r in records], leaky=leaky),
        "accuracy": charts.accuracy_finding(valid, honest, leaky=leaky),
    }
    for quantity in ("loss", "accuracy"):
        figure = charts.learning_curves(
            curves(records, quantity), quantity, title=titles[quantity], planned_epochs=planned, revision=run.id
        )
        live_chart(figure, key=f"live-{quantity}-{run.id}", height=270)
    if leaky:
        st.info(LEAK_EXPLANATION, icon=":material/info:")


def _log(run: Run) -> None:
    lines = [without_paths(line) for line in run.log_tail(400)]
    st.markdown("**Log**")
    if not lines:
        st.caption("The first line appears after the first epoch.")
        return
    st.code("\n".join(lines[-8:]), language=None, wrap_lines=True)
    if len(lines) > 8:
        with st.expander(f"All {len(lines)} lines"):
            st.code("\n".join(lines), language=None, height=320, wrap_lines=True)
