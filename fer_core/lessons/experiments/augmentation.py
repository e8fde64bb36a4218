"""Training with and without augmentation: how random changes of the faces affect generalization."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_core.config import AugmentConfig
from fer_core.formatting import percent
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment
from fer_core.presets import PRESETS


def _difference(arms: Sequence[ArmResult]) -> tuple[float, float]:
    """Return the accuracy difference (with − without augmentation) and its standard error for independent faces."""
    without, with_it = (arm.last.valid_accuracy for arm in arms)
    n = arms[0].n_valid
    return with_it - without, math.sqrt((without * (1 - without) + with_it * (1 - with_it)) / n)


def _answer(arms: Sequence[ArmResult]) -> int:
    difference, error = _difference(arms)
    return 1 if abs(difference) <= 2 * error else 2 if difference > 0 else 0


def _explain(arms: Sequence[ArmResult]) -> str:
    without, with_it = arms
    difference, error = _difference(arms)
    gaps = [abs(arm.last.train_accuracy - arm.last.valid_accuracy) for arm in arms]
    lead = (
        f"Without augmentation the network reaches {percent(without.last.train_accuracy, 0)} on its {without.n_train:,} training "
        f"faces and {percent(without.last.valid_accuracy, 0)} on {without.n_valid:,} unseen faces, a gap of "
        f"{100 * gaps[0]:.0f} points. With mirrored, shifted, scaled and rotated faces it reaches "
        f"{percent(with_it.last.train_accuracy, 0)} and {percent(with_it.last.valid_accuracy, 0)}, a gap of "
        f"{100 * gaps[1]:.0f} points: it rarely sees the same image twice, so memorizing does not pay."
    )
    if abs(difference) <= 2 * error:
        end = (
            f" The validation accuracies differ by {100 * difference:+.1f} points, which is within chance "
            f"(±{200 * error:.1f}). Augmentation also slows down training, and {len(without.records)} epochs are few."
        )
    elif difference > 0:
        end = f" On unseen faces it gains {100 * difference:.1f} points, more than chance (±{200 * error:.1f})."
    else:
        end = (
            f" Here it costs {-100 * difference:.1f} points on unseen faces: {len(without.records)} epochs are too few "
            "for the harder task. With more epochs, augmentation usually wins."
        )
    return lead + end


_PLAIN = PRESETS["report"].values

EXPERIMENT = Experiment(
    name="augmentation",
    title="Train without augmentation",
    story=(
        "Augmentation randomly mirrors, shifts, scales and rotates each face every time the network sees it. "
        "The same network trains on the same few faces, once without and once with augmentation."
    ),
    question="After the same number of epochs, which network is better on unseen faces?",
    choices=("without augmentation", "no difference beyond chance", "with augmentation"),
    faces=2500,
    settings={**_PLAIN, "epochs": 24},
    arms=(
        Arm("no augmentation", {}),
        Arm("augmentation", {"augment": AugmentConfig().to_dict()}),
    ),
    answer=_answer,
    explain=_explain,
)
