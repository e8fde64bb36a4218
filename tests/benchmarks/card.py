"""The figures of a model card, in Markdown: ``python -m tests.benchmarks.card MODEL fer2013.zip``.

PrivateTest is read here, so only for weights that are frozen.
"""

from __future__ import annotations

import sys

from fer_core.data import load
from fer_core.evaluation.report import EvaluationReport, evaluate_split
from fer_core.inference import Classifier
from fer_core.workspace import Workspace


def _row(name: str, report: EvaluationReport) -> str:
    e = report.evaluation
    low, high = e.accuracy_ci95
    return f"| {name} | {e.n:,} | {e.accuracy:.3f} | {low:.3f}–{high:.3f} | {e.macro_f1:.3f} | {e.ece:.3f} |"


def card_figures(model: str, source: str) -> str:
    """The tables and sentences that a card states."""
    classifier, dataset = Classifier.load(model), load(source)
    valid = evaluate_split(classifier, dataset, "valid", workspace=Workspace.default())
    test = evaluate_split(classifier, dataset, "test", workspace=Workspace.default())
    flipped = evaluate_split(classifier, dataset, "test", "flip", workspace=Workspace.default())
    alone = test.deduplicated
    assert alone.accuracy is not None
    assert alone.accuracy_ci95 is not None
    coverage, risk = valid.risk.at(classifier.info.abstain_below)
    lines = [
        "| split | n | accuracy | 95 % interval | macro-F1 | ECE |",
        "|---|---|---|---|---|---|",
        _row("PublicTest (chosen on)", valid),
        _row("PrivateTest", test),
        _row("PrivateTest, mirror image averaged in", flipped),
        f"| PrivateTest, deduplicated | {alone.n:,} | {alone.accuracy:.3f} "
        f"| {alone.accuracy_ci95[0]:.3f}–{alone.accuracy_ci95[1]:.3f} | | |",
        "",
        "| PrivateTest | precision | recall | F1 | n |",
        "|---|---|---|---|---|",
    ]
    for name, score in test.evaluation.per_class.items():
        lines.append(f"| {name} | {score.precision:.3f} | {score.recall:.3f} | {score.f1:.3f} | {score.n} |")
    lines += [
        "",
        f"Temperature {classifier.info.temperature:.2f}. Below {classifier.info.abstain_below:.2f} the answer is 'not sure': on "
        f"PublicTest that withholds {1 - coverage:.0%} of the answers and leaves {1 - (risk or 0):.0%} of the rest right.",
        *test.sentences,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(card_figures(*sys.argv[1:3]))
