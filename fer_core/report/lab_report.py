"""A run as a lab report: one HTML file with the report's six parts, how they were measured, and how to repeat them.

``python -m fer_core report RUN -o report.html``. The file loads nothing; print it to PDF from any browser.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fer_core.errors import FerError
from fer_core.formatting import SPLIT_NAMES, percent
from fer_core.models import count_parameters
from fer_core.report import chapters, paper
from fer_core.report.material import ACTIVE, Material, Progress, gather
from fer_core.training.runs import Run
from fer_core.workspace import Workspace

Stop = Callable[[], bool]

_SHARES: Final = {"faces": 10, "saliency": 20, "filters": 60, "rest": 10}
"""How the work divides, in hundredths, for the progress bar."""


@dataclass(frozen=True)
class Part:
    """One part of the report.

    Attributes:
        name, title: for programs and for people.
        html: its content; a sentence in its place where it could not be made.
        gap: that sentence, else None.
    """

    name: str
    title: str
    html: str
    gap: str | None


@dataclass(frozen=True)
class LabReport:
    """A finished report.

    Attributes:
        run, name: of the run.
        html: the whole file.
        parts: in their order.
        accuracy: the figure that counts, with split, n and 95 % interval; None where there is none.
        leaky_accuracy: under the leaky protocol, the figure that does not count.
        seconds: how long it took.
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
        """Which parts could not be made, and why."""
        return [f"{part.title}: {part.gap}" for part in self.parts if part.gap]

    def to_dict(self) -> dict[str, Any]:
        """The command line's JSON document."""
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
    workspace: Workspace | None = None,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
) -> LabReport:
    """Make the report of a run, finished or not.

    A part that cannot be made (no weights yet, the faces are missing) says so in a sentence.

    Args:
        run: any run that can be opened.
        data: where its faces lie now; the place in its settings when None.
        workspace: for caches.
        on_progress: called with (done, 100).
        should_stop: asked between steps.

    Raises:
        RunError: the run's settings cannot be read.
        ModelError: its architecture is unknown here.
        FerError: it was stopped.
    """
    started = time.perf_counter()
    stop = should_stop or (lambda: False)
    before = 0

    def stage(name: str) -> Progress:
        """Progress of one stage as progress of the whole."""
        nonlocal before
        start, share = before, _SHARES[name]
        before += share

        def report(done: int, total: int) -> None:
            if on_progress:
                on_progress(start + round(share * done / max(1, total)), 100)

        return report

    if on_progress:
        on_progress(0, 100)
    m = gather(run, data, workspace=workspace, on_progress=stage("faces"))
    to_saliency, to_filters = stage("saliency"), stage("filters")
    makers: list[tuple[str, str, Callable[[], str]]] = [
        ("model", "Model", lambda: chapters.model(m)),
        ("training", "Training", lambda: chapters.training(m)),
        ("confusion", "Confusion matrix", lambda: chapters.confusion(m)),
        ("saliency", "Saliency", lambda: chapters.saliency(m, to_saliency, stop)),
        ("filters", "Filters", lambda: chapters.filters(m, to_filters, stop)),
        ("mathematics", "Mathematics", lambda: chapters.mathematics(m)),
        ("honesty", "Protocol and honesty", lambda: chapters.honesty(m)),
        ("environment", "Environment and repetition", lambda: chapters.environment(m)),
    ]
    parts = []
    for name, title, make in makers:
        if stop():
            raise FerError("The report was stopped.")
        parts.append(_part(name, title, make))
    if stop():
        raise FerError("The report was stopped.")
    stage("rest")(1, 1)
    accuracy = None
    if m.headline:
        found = m.evaluation(m.headline)
        accuracy = {
            "split": m.headline,
            "n": found.n,
            "accuracy": found.accuracy,
            "accuracy_ci95": list(found.accuracy_ci95),
        }
    leaky = m.evaluation("valid").accuracy if m.leaky and "valid" in m.predictions else None
    name = run.label.name
    html = paper.page(
        f"Lab report: {name}", _opening(m) + "".join(_section(i, p) for i, p in enumerate(parts, 1)) + _end()
    )
    return LabReport(run.id, name, html, tuple(parts), accuracy, leaky, time.perf_counter() - started)


def _part(name: str, title: str, make: Callable[[], str]) -> Part:
    try:
        return Part(name, title, make(), None)
    except FerError as error:
        return Part(name, title, paper.paragraph(f"This part could not be made. {error}", "missing"), str(error))


def _section(number: int, part: Part) -> str:
    return f'<section id="{part.name}"><h2><span>{number}</span>{paper.text(part.title)}</h2>{part.html}</section>'


def _opening(m: Material) -> str:
    """Title, the figures that matter, the leaky one struck through, and the notes somebody typed."""
    label = m.run.label
    data = m.dataset.name if m.dataset else m.config.data.replace("\\", "/").rpartition("/")[2]
    about = f"{m.config.model} on {data}, protocol {m.config.protocol}, {len(m.records)} epochs. Made {datetime.now(UTC):%d %B %Y}."
    cells = []
    if m.leaky and "valid" in m.predictions:
        found = m.evaluation("valid")
        cells.append(_cell(percent(found.accuracy), "“validation” accuracy, leaky", warn=True))
    if m.headline:
        found = m.evaluation(m.headline)
        low, high = found.accuracy_ci95
        words = f"{SPLIT_NAMES[m.headline]} accuracy"
        interval = f"{words}, 95 % interval {100 * low:.1f}–{100 * high:.1f}, n = {found.n:,}"
        cells.append(_cell(percent(found.accuracy), interval))
    cells.append(_cell(f"{count_parameters(m.network):,}", "parameters"))
    cells.append(_cell(f"{len(m.records)} of {m.config.epochs}", "epochs"))
    parts = [
        '<header><div class="kicker">Lab report · facial expression recognition</div>',
        f"<h1>{paper.text(label.name)}</h1>{paper.paragraph(about, 'soft')}</header>",
        f'<div class="figures">{"".join(cells)}</div>',
    ]
    if m.leaky:
        parts.append(paper.box("Read this first", [_leak(m)], warn=True))
    if m.state in ACTIVE:
        where = f"epoch {len(m.records)} of {m.config.epochs}"
        parts.append(paper.box("Still training", [f"This run is still training; the report shows it after {where}."]))
    if label.notes.strip():
        parts.append(f'<h3>Notes</h3><div class="notes">{paper.text(label.notes.strip())}</div>')
    return "".join(parts)


def _cell(value: str, words: str, *, warn: bool = False) -> str:
    return f"<div{' class=warn' if warn else ''}><b>{paper.text(value)}</b><span>{paper.text(words)}</span></div>"


def _leak(m: Material) -> str:
    """The leaky figure with the honest one beside it, in a sentence."""
    if "valid" not in m.predictions or "honest" not in m.predictions:
        return "This run validates on faces it was trained on: its validation accuracy measures memory, not skill."
    leaky, honest = m.evaluation("valid"), m.evaluation("honest")
    return (
        f"The {percent(leaky.accuracy)} were reached on faces the network was trained on: that is memory. "
        f"On faces it never saw it reaches {chapters.on_evaluation(honest)}."
    )


def _end() -> str:
    return (
        '<footer class="soft">Made by FER Lab. A facial expression is not an emotion: these figures say how often a '
        "network agrees with the labels of a data set.</footer>"
    )
