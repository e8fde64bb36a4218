"""Part 3: confusion matrix with findings, and metrics by class."""

from __future__ import annotations

from fer_core.errors import FerError
from fer_core.evaluation.report import confusion_sentences, fear_sentence
from fer_core.formatting import SPLIT_NAMES
from fer_core.report.data import ReportData
from fer_core.report.rendering import render
from fer_core.report.svg import matrix_chart


def confusion(data: ReportData) -> str:
    """Render the confusion matrix, findings, and metrics by class.

    Raises:
        FerError: there are no predictions.
    """
    name = data.headline
    if name is None:
        raise FerError(data.gaps["predictions"])
    found = data.evaluation(name)
    claims = [fear_sentence(found)] if found.classes.all_emotions else []
    faces = "faces not used for training" if name == "honest" else f"{SPLIT_NAMES[name]} faces"
    return render(
        "sections/confusion.html",
        found=found,
        faces=faces,
        evaluated_now=data.evaluated_now,
        sentences=[*claims, *confusion_sentences(found)],
        matrix=matrix_chart(found.confusion, found.classes, title=f"Confusion matrix, {faces}"),
        rows=[
            [label, _number(score.precision), _number(score.recall), _number(score.f1), f"{score.n:,}"]
            for label, score in found.per_class.items()
        ],
        macro_f1=_number(found.macro_f1),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
