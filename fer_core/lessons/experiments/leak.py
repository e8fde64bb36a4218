"""Validation faces that were also trained on: how the lab report came to its 0.967."""

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
        f"The leaky training reports {percent(leaky.last.valid_accuracy, 0)} on {leaky.n_valid:,} “validation” faces. The same "
        f"weights reach {percent(honest, 0)} on {leaky.n_honest or 0:,} faces they never saw: "
        f"{100 * _gap(arms):.0f} points less. Nothing in the network differs; the “validation” faces were simply among those "
        f"it was trained on, so their accuracy follows the training accuracy ({percent(leaky.last.train_accuracy, 0)}) and "
        f"measures memory. The clean training, with the same settings, says {percent(clean.last.valid_accuracy, 0)}: "
        "less flattering, and true."
    )
    if _gap(arms) < 0.05:
        text += (
            " On these faces the gap is small, because faces never seen are almost as easy as those learnt by heart. "
            "Try it on FER2013."
        )
    return text


EXPERIMENT = Experiment(
    name="leak",
    title="Validate on faces that were trained on",
    story=(
        "The lab report drew its validation faces from the training faces, and trained on them too. It reports a "
        "validation accuracy of 0.967. Here the same mistake is made on purpose, beside a clean training with the same "
        "settings."
    ),
    question="How much better does the leaky “validation” look than faces the network never saw?",
    choices=("about the same (less than 5 points)", "5 to 20 points better", "more than 20 points better"),
    faces=3000,
    settings={**PRESETS["report"].values, "epochs": 14},
    arms=(Arm("leaky", {"protocol": "leaky"}), Arm("clean", {"protocol": "official"})),
    answer=_answer,
    explain=_explain,
)
