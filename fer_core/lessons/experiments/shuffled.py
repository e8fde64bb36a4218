"""Training on shuffled labels: a large enough network memorizes them anyway (Zhang et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_core.data import FaceDataset
from fer_core.formatting import percent
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment, with_labels
from fer_core.presets import PRESETS


def _shuffle(dataset: FaceDataset, rng: np.random.Generator) -> FaceDataset:
    """Shuffle the training labels; keep the validation labels."""
    labels = dataset.labels.copy()
    train = dataset.indices("train")
    labels[train] = rng.permutation(labels[train])
    return with_labels(dataset, labels)


def _answer(arms: Sequence[ArmResult]) -> int:
    reached = arms[1].last.train_accuracy
    return 0 if reached < 0.3 else 1 if reached < 0.7 else 2


def _explain(arms: Sequence[ArmResult]) -> str:
    true, shuffled = arms
    return (
        f"Even with meaningless labels the network reaches a training accuracy of {percent(shuffled.last.train_accuracy, 0)} on "
        f"{shuffled.n_train:,} faces after {len(shuffled.records)} epochs (true labels: "
        f"{percent(true.last.train_accuracy, 0)}). It must have memorized them: on unseen faces it reaches "
        f"{percent(shuffled.last.valid_accuracy, 0)}, no better than guessing among {shuffled.classes} classes of unequal size "
        f"(true labels: {percent(true.last.valid_accuracy, 0)}). So a high training accuracy proves nothing on its own; "
        "only faces that were not used for training separate learning from memorization."
    )


EXPERIMENT = Experiment(
    name="shuffled",
    title="Train on shuffled labels",
    story=(
        "The training labels are shuffled, so there is nothing to learn about expressions. "
        "The validation faces keep their true labels. The same network trains once on the true and once on the shuffled labels."
    ),
    question="How high does the training accuracy get with shuffled labels?",
    choices=("below 30%", "30% to 70%", "above 70%"),
    faces=2100,
    settings={**PRESETS["report"].values, "epochs": 20, "model_args": {"dropout": 0.0}},
    arms=(Arm("true labels", {}), Arm("shuffled labels", {}, _shuffle)),
    answer=_answer,
    explain=_explain,
)
