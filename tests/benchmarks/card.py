"""The figures of a model card, in Markdown: ``python -m tests.benchmarks.card MODEL fer2013.zip``.

A network that learned people's votes is held against the majority of FER+'s votes, any other against the labels.
PrivateTest is read here, so only for weights that are frozen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from fer_core.data import load
from fer_core.evaluation.cache import cached_outputs
from fer_core.evaluation.cells import cleaned_predictions
from fer_core.evaluation.evaluate import Tta
from fer_core.evaluation.metrics import most_confused
from fer_core.evaluation.report import EvaluationReport, build_report
from fer_core.inference import CheckpointInfo, read_info, resolve_model
from fer_core.workspace import Workspace
from tests.benchmarks.calibrate import SENSITIVITIES

Reports = Callable[[str, float, Tta], EvaluationReport]
"""The report for a split, a sensitivity, and with or without mirror images."""


def reports_of(model: str, source: str) -> tuple[CheckpointInfo, Reports]:
    """The model's record, and how to get a report; the network answers once for each split."""
    workspace = Workspace.default()
    info = read_info(resolve_model(model, workspace))
    dataset = load(source, truth=info.target)

    def report(split: str, sensitivity: float, tta: Tta = "none") -> EvaluationReport:
        outputs = cached_outputs(model, dataset, split, tta, sensitivity=sensitivity, workspace=workspace)
        return build_report(cleaned_predictions(outputs, dataset, split, workspace=workspace), split, tta)

    return info, report


def _table(header: str, rows: list[str]) -> list[str]:
    return [header, "|" + "---|" * (header.count("|") - 1), *rows, ""]


def _row(name: str, report: EvaluationReport) -> str:
    e = report.evaluation
    low, high = e.accuracy_ci95
    return f"| {name} | {e.n:,} | {e.accuracy:.3f} | {low:.3f}–{high:.3f} | {e.macro_f1:.3f} | {e.ece:.3f} |"


def _splits(info: CheckpointInfo, report: Reports) -> list[str]:
    test = report("test", 0.0, "none")
    alone = test.deduplicated
    assert alone.accuracy is not None
    assert alone.accuracy_ci95 is not None
    rows = [
        _row("PublicTest (used for selection)", report("valid", 0.0, "none")),
        _row("PrivateTest", test),
        _row("PrivateTest, averaged with mirror image", report("test", 0.0, "flip")),
        f"| PrivateTest, deduplicated | {alone.n:,} | {alone.accuracy:.3f} "
        f"| {alone.accuracy_ci95[0]:.3f}–{alone.accuracy_ci95[1]:.3f} | | |",
    ]
    if info.sensitivity:
        rows.append(_row(f"PrivateTest, sensitivity {info.sensitivity:g}", report("test", info.sensitivity, "none")))
    return _table("| split | n | accuracy | 95% interval | macro-F1 | ECE |", rows)


def _classes(info: CheckpointInfo, report: Reports) -> list[str]:
    sensitivities = sorted({0.0, info.sensitivity})
    evaluations = [report("test", tau, "none").evaluation for tau in sensitivities]
    named = [f", sensitivity {tau:g}" if len(sensitivities) > 1 else "" for tau in sensitivities]
    header = "| PrivateTest |" + "".join(f" precision{name} | recall | F1 |" for name in named) + " n |"
    rows = []
    for label, first in evaluations[0].per_class.items():
        scores = [e.per_class[label] for e in evaluations]
        cells = [v for s in scores for v in (s.precision, s.recall, s.f1)]
        shown = " | ".join("–" if v is None else f"{v:.3f}" for v in cells)
        rows.append(f"| {label} | {shown} | {first.n} |")
    return _table(header, rows)


def _sensitivities(info: CheckpointInfo, report: Reports) -> list[str]:
    points = {point.sensitivity: point for point in info.calibration}
    rows = []
    for tau in sorted({*SENSITIVITIES, info.sensitivity}):
        valid, test = report("valid", tau, "none"), report("test", tau, "none")
        fitted = f"{points[tau].temperature:.2f} | {points[tau].abstain_below:.2f}" if tau in points else " | "
        assert test.agreement is not None
        rows.append(
            f"| {tau:g} | {valid.evaluation.accuracy:.3f} | {test.evaluation.accuracy:.3f} "
            f"| {test.agreement.model:.3f} | {fitted} |"
        )
    header = "| sensitivity | PublicTest | PrivateTest | rater agreement | temperature | threshold |"
    return _table(header, rows)


def _people(model: str, info: CheckpointInfo, report: Reports) -> list[str]:
    found = report("test", 0.0, "none").agreement
    assert found is not None
    rows = []
    for tau in sorted({0.0, info.sensitivity}):
        agreement = report("test", tau, "none").agreement
        assert agreement is not None
        low, high = agreement.ci95["model"]
        rows.append(f"| `{model}`, sensitivity {tau:g} | {agreement.model:.3f} | {low:.3f}–{high:.3f} |")
    for name, words in (("human", "another rater"), ("label", "FER2013's label"), ("ceiling", "best possible")):
        low, high = found.ci95[name]
        rows.append(f"| {words} | {getattr(found, name):.3f} | {low:.3f}–{high:.3f} |")
    return _table(f"| PrivateTest (n = {found.n:,}) | rater agreement | 95% interval |", rows)


def _failures(info: CheckpointInfo, report: Reports) -> list[str]:
    lines = []
    for tau in sorted({0.0, info.sensitivity}):
        result = report("test", tau, "none").evaluation
        pairs = [
            f"{count} of {result.per_class[true].n} {true} ({share:.0%}) as {predicted}"
            for true, predicted, count, share in most_confused(result.confusion, result.classes, 8)
        ]
        lines.append(f"Misclassified at sensitivity {tau:g}: {'; '.join(pairs)}.")
    return lines


def card_figures(model: str, source: str) -> str:
    """The tables and sentences that a card states."""
    info, report = reports_of(model, source)
    coverage, risk = report("valid", info.sensitivity, "none").risk.at(info.abstain_below)
    lines = [
        *_splits(info, report),
        *_classes(info, report),
        *_sensitivities(info, report),
        *_people(model, info, report),
        f"Temperature {info.temperature:.2f}. Below {info.abstain_below:.2f} the answer is 'not sure': on "
        f"PublicTest that withholds {1 - coverage:.0%} of the answers and leaves {1 - (risk or 0):.0%} of the rest right.",
        *report("test", info.sensitivity, "none").sentences,
        *_failures(info, report),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(card_figures(*sys.argv[1:3]))
