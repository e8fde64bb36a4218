"""Training runs for display: states, best figures with intervals, curves, and the table of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import streamlit as st

from fer_core.charts import RUN_COLORS, Curve, Quantity
from fer_core.config import TrainConfig
from fer_core.errors import FerError
from fer_core.formatting import duration, percent_with_interval
from fer_core.jobs import ACTIVE, RESUMABLE
from fer_core.training.runs import EpochRecord, Run, State, best_record, list_runs, open_run
from pages.ui.shell import session
from pages.ui.shell.formatting import plain, source_name

_BADGES: Final[dict[State, tuple[str, Any, str]]] = {
    "queued": ("Queued", "gray", ":material/schedule:"),
    "starting": ("Starting", "blue", ":material/hourglass_top:"),
    "running": ("Training", "blue", ":material/play_circle:"),
    "stopping": ("Stopping", "orange", ":material/pending:"),
    "stopped": ("Stopped", "gray", ":material/pause_circle:"),
    "finished": ("Finished", "green", ":material/check_circle:"),
    "failed": ("Failed", "red", ":material/error:"),
    "lost": ("Interrupted", "orange", ":material/power_off:"),
    "damaged": ("Damaged", "red", ":material/broken_image:"),
}


@dataclass(frozen=True)
class Summary:
    """Figures of a run for lists; ``None`` for figures that do not exist yet."""

    id: str
    name: str
    protocol: str
    model: str
    data: str
    epochs_done: int
    epochs_planned: int
    best: EpochRecord | None
    valid_interval: tuple[float, float] | None
    leak_free_interval: tuple[float, float] | None
    test_accuracy: float | None
    test_interval: tuple[float, float] | None
    notes: str

    @property
    def leaky(self) -> bool:
        """Whether the network was trained on its validation faces."""
        return self.protocol == "leaky"

    @property
    def valid_text(self) -> str:
        """Best validation accuracy with its interval, marked if it is leaky or a mean over outputs."""
        if self.best is None:
            return "—"
        text = percent_with_interval(self.best.valid_accuracy, self.valid_interval)
        if self.best.outputs:
            text += f", mean of {' and '.join(self.best.outputs)}"
        return f"{text}, leaky" if self.leaky else text

    @property
    def leak_free_text(self) -> str:
        """Leak-free accuracy of a leaky run: on faces never trained on."""
        if self.best is None or self.best.honest_accuracy is None:
            return "—"
        return percent_with_interval(self.best.honest_accuracy, self.leak_free_interval)

    @property
    def test_text(self) -> str:
        """Accuracy on the test split, if evaluated."""
        return "—" if self.test_accuracy is None else percent_with_interval(self.test_accuracy, self.test_interval)


def summary(run: Run) -> Summary:
    """Return the figures of a run, cached until one of its files changes."""
    return _summary(str(run.path), tuple(_changed(run, name) for name in _SUMMARY_FILES))


_SUMMARY_FILES: Final = (
    "config.json",
    "label.json",
    "status.json",
    "metrics.jsonl",
    "best.safetensors",
    "evaluation-test.json",
)


def _changed(run: Run, name: str) -> int:
    try:
        return (run.path / name).stat().st_mtime_ns
    except OSError:
        return 0


@st.cache_resource(max_entries=500, show_spinner=False)
def _summary(path: str, changed: tuple[int, ...]) -> Summary:
    run = Run(Path(path))
    records = run.records()
    label = run.label
    try:
        config: TrainConfig | None = run.config
    except FerError:
        config = None
    figures = _checkpoint_figures(run)
    best = best_record(records)
    mean = best is not None and bool(best.outputs)  # of two accuracies; the checkpoint's intervals are of one
    test = _read_json(run, "evaluation-test.json")
    return Summary(
        id=run.id,
        name=label.name,
        protocol=config.protocol if config else "—",
        model=config.model if config else "—",
        data=source_name(config.data) if config else "—",
        epochs_done=records[-1].epoch if records else 0,
        epochs_planned=config.epochs if config else 0,
        best=best,
        valid_interval=None if mean else _interval(figures.get("valid")),
        leak_free_interval=None if mean else _interval(figures.get("honest")),
        test_accuracy=_number(test.get("accuracy")),
        test_interval=_interval(test),
        notes=label.notes,
    )


def _checkpoint_figures(run: Run) -> dict[str, Any]:
    """Read the figures with intervals from the header of the best weights, without importing torch."""
    from fer_core.inference import read_info

    try:
        return read_info(run.path / "best.safetensors").metrics
    except FerError:
        return {}


def _read_json(run: Run, name: str) -> dict[str, Any]:
    try:
        found = json.loads((run.path / name).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _interval(figures: object) -> tuple[float, float] | None:
    pair = figures.get("accuracy_ci95") if isinstance(figures, dict) else None
    if isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, int | float) for end in pair):
        return float(pair[0]), float(pair[1])
    return None


def state_badge(state: State) -> None:
    """Draw the state as a colored badge."""
    word, color, icon = _BADGES[state]
    st.badge(word, icon=icon, color=color)


def state_word(state: State) -> str:
    """Display name of a state."""
    return _BADGES[state][0]


def explain_state(run: Run, state: State) -> str | None:
    """Explain a state and what to do, as Markdown; None if the state needs no explanation."""
    status = run.status
    done = len(run.records())
    kept = f"{done} finished epoch{'' if done == 1 else 's'}" if done else "no finished epoch"
    if state == "failed":
        reason = plain(status.error or "The training reported no reason.")
        return f"{reason} The run has {kept}. Fix the cause and resume, or start a new run with these settings."
    if state == "lost":
        return (
            "Training stopped unexpectedly (shutdown, or the process was killed). "
            f"The run has {kept}; resume continues from there."
        )
    if state == "stopped":
        if status.error:
            return f"{plain(status.error)} The run has {kept}; resume continues from there."
        return f"Stopped on request with {kept}. Resume continues exactly where it stopped."
    if state == "damaged":
        try:
            open_run(run.path, session.workspace())
        except FerError as error:
            return plain(error)
        return "The run directory is unreadable."
    return None


def can_resume(state: State) -> bool:
    """Whether a run in this state can be resumed."""
    return state in RESUMABLE


def progress_text(run: Run, state: State) -> tuple[float, str]:
    """Return the finished share of the run in 0…1 and a progress text."""
    status = run.status
    if state == "starting":
        return 0.0, "Starting…"
    steps = max(1, status.steps_per_epoch)
    planned = max(1, status.epochs)
    share = min(1.0, (status.epoch + min(status.step, steps) / steps) / planned)
    if state not in ACTIVE:
        return share, f"{status.epoch} of {planned} epochs"
    if not status.steps_per_epoch:
        return share, "Loading the faces…"
    parts = [f"Epoch {min(status.epoch + 1, planned)} of {planned}", f"step {status.step:,} of {steps:,}"]
    if status.images_per_second:
        parts.append(f"{status.images_per_second:,.0f} images/s")
    if status.seconds_left is not None:
        parts.append(f"{duration(status.seconds_left)} left")
    return share, " · ".join(parts)


def curves(
    records: Sequence[EpochRecord], quantity: Quantity, *, name: str = "", color: str | None = None, key: str = ""
) -> list[Curve]:
    """Return the curves of a run: training, validation and, for a leaky run, leak-free."""
    epochs = [record.epoch for record in records]
    before = f"{name}: " if name else ""
    found = [
        Curve(f"{before}train", "train", epochs, [getattr(r, f"train_{quantity}") for r in records], color, f"{key}t"),
        Curve(
            f"{before}validation",
            "valid",
            epochs,
            [getattr(r, f"valid_{quantity}") for r in records],
            color,
            f"{key}v",
        ),
    ]
    honest = [(r.epoch, getattr(r, f"honest_{quantity}")) for r in records]
    honest = [(epoch, value) for epoch, value in honest if value is not None]
    if honest:
        found.append(
            Curve(
                f"{before}leak-free",
                "honest",
                [e for e, _ in honest],
                [v for _, v in honest],
                color,
                f"{key}h",
            )
        )
    return found


def started(run: Run) -> str:
    """Creation time of a run in local time; empty if its id has none."""
    try:
        when = datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return when.astimezone().strftime("%d %b %Y, %H:%M")


def run_color(position: int) -> str:
    """Color of the run at this position of an overlay."""
    return RUN_COLORS[position % len(RUN_COLORS)]


def all_runs() -> list[Run]:
    """All runs of the workspace, newest first."""
    return list_runs(session.workspace())


def run_table(runs: Sequence[Run], *, key: str, select: bool = False) -> list[Run]:
    """Draw the runs with their best figures; returns the selected ones."""
    rows = []
    for run in runs:
        about = summary(run)
        rows.append(
            {
                "Run": about.name,
                "State": state_word(run.state),
                "Epochs": f"{about.epochs_done} of {about.epochs_planned}" if about.epochs_planned else "—",
                "Validation accuracy": about.valid_text,
                "Leak-free": about.leak_free_text,
                "Test": about.test_text,
                "Model": about.model,
                "Protocol": about.protocol,
                "Data": about.data,
                "Started": started(run),
                "Notes": about.notes,
            }
        )
    columns = {
        "Run": st.column_config.TextColumn(width="medium", pinned=True),
        "Validation accuracy": st.column_config.TextColumn(
            width="medium", help="Of the best epoch, with its 95% interval."
        ),
        "Leak-free": st.column_config.TextColumn(help="For leaky runs: accuracy on faces never trained on."),
        "Test": st.column_config.TextColumn(help="Only for runs that evaluate the test split."),
    }
    hidden = {name for name in ("Leak-free", "Test", "Notes") if all(row[name] in ("—", "") for row in rows)}
    order = [name for name in rows[0] if name not in hidden]
    if not select:
        st.dataframe(rows, hide_index=True, column_config=columns, column_order=order, key=key)
        return []
    event = st.dataframe(
        rows,
        hide_index=True,
        column_config=columns,
        column_order=order,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
    )
    return [runs[row] for row in event["selection"]["rows"] if row < len(runs)]
