"""Lab report of a run: one HTML file with results, protocol, and the command to repeat the run.

``python -m fer_core report RUN -o report.html``. The file is self-contained; print it to PDF from any browser.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fer_core.errors import FerError
from fer_core.formatting import SPLIT_NAMES, percent
from fer_core.jobs import ACTIVE
from fer_core.models import count_parameters
from fer_core.report.data import Progress, ReportData, collect
from fer_core.report.rendering import accuracy, render
from fer_core.report.sections.confusion import confusion
from fer_core.report.sections.environment import environment
from fer_core.report.sections.filters import filters
from fer_core.report.sections.honesty import honesty
from fer_core.report.sections.mathematics import mathematics
from fer_core.report.sections.model import model
from fer_core.report.sections.saliency import saliency
from fer_core.report.sections.training import training
from fer_core.training.runs import Run
from fer_core.workspace import Workspace

Stop = Callable[[], bool]

_SHARES: Final = {"faces": 10, "saliency": 20, "filters": 60, "rest": 10}
"""Share of the work per stage in percent, for the progress bar."""


@dataclass(frozen=True)
class Part:
    """One part of the report.

    Attributes:
        name, title: identifier and heading.
        html: content, or an explanation if the part is missing.
        gap: why the part is missing; None if it is not.
    """

    name: str
    title: str
    html: str
    gap: str | None


@dataclass(frozen=True)
class LabReport:
    """A finished report.

    Attributes:
        run, name: id and name of the run.
        html: the whole file.
        parts: parts in order.
        accuracy: headline accuracy with split, n and 95% interval; None if not evaluated.
        leaky_accuracy: leaky validation accuracy under the leaky protocol, otherwise None.
        seconds: time to create the report.
    """

    run: str
    name: str
    html: str
    parts: tuple[Part, ...]
    accuracy: dict[str, Any] | None
    leaky_accuracy: float | None
    seconds: float

    @property
    def gaps(self) -> list[str]:
        """Missing parts with their reasons."""
        return [f"{part.title}: {part.gap}" for part in self.parts if part.gap]

    def to_dict(self) -> dict[str, Any]:
        """Return the command line's JSON document."""
        record: dict[str, Any] = {
            "run": self.run,
            "name": self.name,
            "bytes": len(self.html.encode()),
            "seconds": round(self.seconds, 3),
            "accuracy": self.accuracy,
            "parts": [{"name": p.name, "title": p.title, "made": p.gap is None, "why_not": p.gap} for p in self.parts],
        }
        if self.leaky_accuracy is not None:
            record["leaky_accuracy"] = self.leaky_accuracy
        return record


def make_report(
    run: Run,
    data: str | None = None,
    *,
    workspace: Workspace,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
) -> LabReport:
    """Create the lab report of a run, finished or not.

    Parts that lack their data (no weights yet, faces not found) contain an explanation instead.

    Args:
        run: any run.
        data: current location of its faces; the location in its settings if None.
        workspace: workspace with the caches.
        on_progress: called with (done, 100).
        should_stop: checked between steps.

    Raises:
        RunError: the run's settings are unreadable.
        ModelError: its architecture is unknown.
        FerError: the caller stopped it.
    """
    started = time.perf_counter()
    stop = should_stop or (lambda: False)
    before = 0

    def stage(name: str) -> Progress:
        """Map the progress of one stage to overall progress."""
        nonlocal before
        start, share = before, _SHARES[name]
        before += share

        def report(done: int, total: int) -> None:
            if on_progress:
                on_progress(start + round(share * done / max(1, total)), 100)

        return report

    if on_progress:
        on_progress(0, 100)
    found = collect(run, data, workspace=workspace, on_progress=stage("faces"))
    to_saliency, to_filters = stage("saliency"), stage("filters")
    makers: list[tuple[str, str, Callable[[], str]]] = [
        ("model", "Model", lambda: model(found)),
        ("training", "Training", lambda: training(found)),
        ("confusion", "Confusion matrix", lambda: confusion(found)),
        ("saliency", "Saliency", lambda: saliency(found, to_saliency, stop)),
        ("filters", "Filters", lambda: filters(found, to_filters, stop)),
        ("mathematics", "Mathematics", mathematics),
        ("honesty", "Protocol and caveats", lambda: honesty(found)),
        ("environment", "Environment and reproduction", lambda: environment(found)),
    ]
    parts = []
    for name, title, make in makers:
        if stop():
            raise FerError("The report was stopped.")
        parts.append(_part(name, title, make))
    if stop():
        raise FerError("The report was stopped.")
    stage("rest")(1, 1)
    html = str(render("lab_report.html", name=run.label.name, parts=parts, **_opening(found)))
    seconds = time.perf_counter() - started
    return LabReport(run.id, run.label.name, html, tuple(parts), _headline(found), _leaky_accuracy(found), seconds)


def _headline(found: ReportData) -> dict[str, Any] | None:
    """Return the headline accuracy as a record."""
    if found.headline is None:
        return None
    evaluation = found.evaluation(found.headline)
    return {
        "split": found.headline,
        "n": evaluation.n,
        "accuracy": evaluation.accuracy,
        "accuracy_ci95": list(evaluation.accuracy_ci95),
    }


def _leaky_accuracy(found: ReportData) -> float | None:
    return found.evaluation("valid").accuracy if found.leaky and "valid" in found.predictions else None


def _part(name: str, title: str, make: Callable[[], str]) -> Part:
    try:
        return Part(name, title, make(), None)
    except FerError as error:
        return Part(name, title, render("sections/missing.html", why=error), str(error))


def _opening(found: ReportData) -> dict[str, object]:
    """Return the template values of the header: key metrics (a leaky one is struck through) and the user's notes."""
    data = found.dataset.name if found.dataset else found.config.data.replace("\\", "/").rpartition("/")[2]
    config, epochs = found.config, len(found.records)
    return {
        "about": f"{config.model} on {data}, protocol {config.protocol}, {epochs} epochs. Created on {datetime.now(UTC):%B %d, %Y}.",
        "figures": _figures(found),
        "leak": _leak(found) if found.leaky else "",
        "still_training": f"This run is still training; the report shows its state after epoch {epochs} of {config.epochs}."
        if found.state in ACTIVE
        else "",
        "notes": found.run.label.notes.strip(),
    }


def _figures(found: ReportData) -> list[dict[str, object]]:
    figures = []
    leaky = _leaky_accuracy(found)
    if leaky is not None:
        figures.append((percent(leaky), "“validation” accuracy, leaky", True))
    if found.headline:
        evaluation = found.evaluation(found.headline)
        low, high = evaluation.accuracy_ci95
        words = f"{SPLIT_NAMES[found.headline]} accuracy"
        interval = f"{words}, 95% interval {100 * low:.1f}–{100 * high:.1f}, n = {evaluation.n:,}"
        figures.append((percent(evaluation.accuracy), interval, False))
    figures.append((f"{count_parameters(found.network):,}", "parameters", False))
    figures.append((f"{len(found.records)} of {found.config.epochs}", "epochs", False))
    return [{"value": value, "caption": words, "warn": warn} for value, words, warn in figures]


def _leak(found: ReportData) -> str:
    """Return a warning that compares the leaky accuracy with the leak-free one."""
    if "valid" not in found.predictions or "honest" not in found.predictions:
        return (
            "This run validates on training faces: its validation accuracy measures memorization, not generalization."
        )
    leaky, honest = found.evaluation("valid"), found.evaluation("honest")
    return (
        f"The accuracy of {percent(leaky.accuracy)} was measured on training faces, so it reflects memorization. "
        f"On unseen faces it is {accuracy(honest)}."
    )
