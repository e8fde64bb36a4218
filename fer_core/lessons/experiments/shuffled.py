"""Labels dealt out at random: a network large enough learns them by heart all the same (Zhang et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_core.data import FaceDataset
from fer_core.formatting import percent
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment, with_labels
from fer_core.presets import PRESETS


def _shuffle(dataset: FaceDataset, rng: np.random.Generator) -> FaceDataset:
    """Training labels in random order; validation labels stay true."""
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
        f"With labels that mean nothing the network still gets {percent(shuffled.last.train_accuracy, 0)} of its "
        f"{shuffled.n_train:,} training faces “right” after {len(shuffled.records)} epochs, against "
        f"{percent(true.last.train_accuracy, 0)} with the true labels. It can only have learnt them by heart, for on faces it "
        f"never saw it reaches {percent(shuffled.last.valid_accuracy, 0)}, no better than guessing among {shuffled.classes} classes "
        f"of unequal size; with the true labels {percent(true.last.valid_accuracy, 0)}. So a high training accuracy says "
        "nothing by itself: only faces that were never trained on tell learning from memory."
    )


EXPERIMENT = Experiment(
    name="shuffled",
    title="Train on shuffled labels",
    story=(
        "The labels of the training faces are dealt out at random, so there is nothing to be learnt about expressions. "
        "The validation faces keep their true labels. The same network trains once on the true labels and once on these."
    ),
    question="How far does the training accuracy get with shuffled labels?",
    choices=("it stays below 30%", "30 to 70%", "above 70%"),
    faces=2100,
    settings={**PRESETS["report"].values, "epochs": 20, "model_args": {"dropout": 0.0}},
    arms=(Arm("true labels", {}), Arm("shuffled labels", {}, _shuffle)),
    answer=_answer,
    explain=_explain,
)
