"""Defines a network's outputs: one for the labels, one for people's votes, or both on one trunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, ProtocolSplit
from fer_core.data.votes import classes_of_votes, majority, vote_targets
from fer_core.errors import DataError
from fer_core.evaluation import Predictions, metrics
from fer_core.inference import Classifier

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Output:
    """One linear output of a network with its targets for the N faces of a data set.

    Attributes:
        target: whether it learns the labels or the votes.
        classes: its C classes, in the order of its logits.
        columns: its slice of the network's logits.
        targets: the labels, int64 (N,); or soft targets, float32 (N, C), with a row of zeros for a face without
            usable votes.
        truth: the true class, int64 (N,): the label, or the majority of the votes; -1 if there is no majority.
        secondary: whether another output is the default, so that this one's file names carry a suffix.
    """

    target: Literal["labels", "votes"]
    classes: ClassList
    columns: slice
    targets: npt.NDArray[Any]
    truth: Ints
    secondary: bool = False

    @property
    def suffix(self) -> str:
        """The suffix of its file names: ``""`` or ``-labels``."""
        return f"-{self.target}" if self.secondary else ""

    def with_target(self, faces: Ints) -> Ints:
        """Return those of ``faces`` that have a target."""
        return faces if self.target == "labels" else faces[self.targets[faces].any(axis=1)]

    def with_truth(self, faces: Ints) -> Ints:
        """Return those of ``faces`` that have a true class."""
        return faces[self.truth[faces] >= 0]

    def prior(self, faces: Ints) -> tuple[float, ...]:
        """Return each class's share of the ``faces`` that have a true class; () if none has."""
        counts = np.bincount(self.truth[self.with_truth(faces)], minlength=len(self.classes))
        return tuple((counts / counts.sum()).tolist()) if counts.any() else ()

    def cross_entropy(self, logits: npt.NDArray[np.floating], faces: Ints) -> float:
        """Return the mean cross-entropy in nats between logits (n, C) and the targets of ``faces``."""
        if self.target == "labels":
            return metrics.cross_entropy(logits, self.targets[faces])
        return metrics.soft_cross_entropy(logits, self.targets[faces])

    def predict(self, classifier: Classifier, dataset: FaceDataset, faces: Ints) -> Predictions:
        """Predict those of ``faces`` that have a true class, with a classifier for these classes."""
        judged = self.with_truth(faces)
        logits = classifier.logits(dataset.images[judged])
        return Predictions(dataset.ids[judged], self.truth[judged], logits, self.classes, classifier.temperature)


def make_outputs(dataset: FaceDataset, targets: Literal["labels", "votes", "both"]) -> tuple[Output, ...]:
    """Create the outputs of a network for these faces; the default output comes first.

    Raises:
        DataError: ``targets`` needs votes, and the data has none or they cover fewer than two classes.
    """
    outputs = []
    if targets != "labels":
        classes = classes_of_votes(dataset)
        assert dataset.votes is not None  # otherwise classes_of_votes would have raised
        soft, _ = vote_targets(dataset.votes, dataset.vote_columns, classes)
        most = majority(dataset.votes, dataset.vote_columns, classes)
        outputs.append(Output("votes", classes, slice(0, len(classes)), soft, most))
    if targets != "votes":
        first = outputs[0].columns.stop if outputs else 0
        columns = slice(first, first + len(dataset.classes))
        outputs.append(
            Output("labels", dataset.classes, columns, dataset.labels, dataset.labels, secondary=bool(outputs))
        )
    return tuple(outputs)


def split_for_targets(
    dataset: FaceDataset, split: ProtocolSplit, outputs: tuple[Output, ...], config: TrainConfig
) -> tuple[ProtocolSplit, tuple[str, ...]]:
    """Return the split without faces that no output can use, and notes for the log about faces without votes.

    Raises:
        DataError: an output has no faces to train or validate on.
    """
    notes = []
    for output in outputs:
        if output.target == "labels":
            continue
        train, valid = output.with_target(split.train), output.with_truth(split.valid)
        if not len(train):
            raise DataError(
                f"None of the {len(split.train):,} training faces of {dataset.name} has more than half of its votes for the "
                f"classes {', '.join(output.classes)}. Provide votes on these faces, or train on the labels."
            )
        parts = [("validation", valid)]
        if split.leak_free is not None:
            parts.append(("honest", output.with_truth(split.leak_free)))
        if config.evaluate_test:
            parts.append(("test", output.with_truth(dataset.indices("test"))))
        for name, faces in parts:
            if not len(faces):
                raise DataError(
                    f"None of the {name} faces of {dataset.name} has a majority of votes, so there is no true class to compare "
                    "predictions with. Provide votes on these faces, or train on the labels."
                )
        alone = len(outputs) == 1
        if left_out := len(split.train) - len(train):
            then = "are excluded" if alone else "are used for their label only"
            notes.append(f"{left_out:,} of {len(split.train):,} training faces have no usable votes; they {then}.")
        notes.append(
            f"The votes output is validated on the {len(valid):,} of {len(split.valid):,} faces with a majority."
        )
        if alone:
            honest = None if split.leak_free is None else output.with_truth(split.leak_free)
            split = replace(split, train=train, valid=valid, leak_free=honest)
    return split, tuple(notes)
