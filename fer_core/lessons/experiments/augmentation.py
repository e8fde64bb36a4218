"""The same training with and without augmentation: what random changes to the faces are good for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_core.config import AugmentConfig
from fer_core.formatting import percent
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment
from fer_core.presets import PRESETS


def _difference(arms: Sequence[ArmResult]) -> tuple[float, float]:
    """Accuracy with augmentation less that without, and its standard error for independent faces."""
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
        f"Without augmentation the network ends at {percent(without.last.train_accuracy, 0)} on its {without.n_train:,} training "
        f"faces and {percent(without.last.valid_accuracy, 0)} on {without.n_valid:,} it never saw, {100 * gaps[0]:.0f} points "
        f"apart. With mirrored, shifted, scaled and rotated faces it is {percent(with_it.last.train_accuracy, 0)} and "
        f"{percent(with_it.last.valid_accuracy, 0)}, {100 * gaps[1]:.0f} points apart: it hardly meets the same picture twice, "
        "so learning by heart does not pay."
    )
    if abs(difference) <= 2 * error:
        end = (
            f" The validation accuracies differ by {100 * difference:+.1f} points, within what chance gives "
            f"(± {200 * error:.1f}): augmentation also needs longer to learn, and {len(without.records)} epochs are few."
        )
    elif difference > 0:
        end = f" On faces never seen that is worth {100 * difference:.1f} points, more than chance gives (± {200 * error:.1f})."
    else:
        end = (
            f" Here it costs {-100 * difference:.1f} points on faces never seen: {len(without.records)} epochs are too few "
            "for the harder task. Give it more, and the order turns."
        )
    return lead + end


_PLAIN = PRESETS["report"].values

EXPERIMENT = Experiment(
    name="augmentation",
    title="Leave out augmentation",
    story=(
        "Augmentation shows the network each face mirrored, shifted, scaled or rotated a little, differently every time. "
        "The same network trains on the same few faces once without it and once with it."
    ),
    question="After the same number of epochs, which of the two is better on faces it never saw?",
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
