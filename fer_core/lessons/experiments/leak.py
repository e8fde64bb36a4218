"""Validation faces that were also used for training: how the lab report arrived at 0.967."""

from __future__ import annotations

from collections.abc import Sequence

from fer_core.formatting import percent
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment
from fer_core.presets import PRESETS


def _gap(arms: Sequence[ArmResult]) -> float:
    leaky = arms[0].last
    assert leaky.honest_accuracy is not None  # the leaky protocol always measures it
    return leaky.valid_accuracy - leaky.honest_accuracy


def _answer(arms: Sequence[ArmResult]) -> int:
    gap = _gap(arms)
    return 0 if gap < 0.05 else 1 if gap < 0.20 else 2


def _explain(arms: Sequence[ArmResult]) -> str:
    leaky, clean = arms
    honest = leaky.last.honest_accuracy or 0.0
    text = (
        f"The leaky run reports {percent(leaky.last.valid_accuracy, 0)} on {leaky.n_valid:,} “validation” faces. The same "
        f"weights reach {percent(honest, 0)} on {leaky.n_honest or 0:,} unseen faces, "
        f"{100 * _gap(arms):.0f} points less. The network is the same; the “validation” faces were also training faces, "
        f"so their accuracy tracks the training accuracy ({percent(leaky.last.train_accuracy, 0)}) and measures "
        f"memorization. The clean run, with the same settings, reports {percent(clean.last.valid_accuracy, 0)}: "
        "less flattering, but true."
    )
    if _gap(arms) < 0.05:
        text += (
            " On these faces the gap is small because unseen faces are almost as easy as memorized ones. "
            "Try it on FER2013."
        )
    return text


EXPERIMENT = Experiment(
    name="leak",
    title="Validate on training faces",
    story=(
        "The lab report drew its validation faces from the training faces but still trained on them. It reports a "
        "validation accuracy of 0.967. This experiment repeats the mistake on purpose, next to a clean run with the same "
        "settings."
    ),
    question="How much higher is the leaky “validation” accuracy than the accuracy on unseen faces?",
    choices=("about the same (less than 5 points)", "5 to 20 points higher", "more than 20 points higher"),
    faces=3000,
    settings={**PRESETS["report"].values, "epochs": 14},
    arms=(Arm("leaky", {"protocol": "leaky"}), Arm("clean", {"protocol": "official"})),
    answer=_answer,
    explain=_explain,
)
