"""What a network learns: an output for the labels, one for people's votes, or both on one trunk."""

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
    """One linear output of a network, and what it learns for each of the N faces of a data set.

    Attributes:
        target: what it learns.
        classes: C classes, in the order of its logits.
        columns: where its logits stand among all of the network.
        targets: the labels, int64 (N,); or how the votes are divided, float32 (N, C), a row of zeros where a face has
            no target.
        truth: the class that counts as correct, int64 (N,): the label, or the majority of the votes, -1 where there
            is none.
        beside: whether its files stand beside those of the output that is meant where none is named.
    """

    target: Literal["labels", "votes"]
    classes: ClassList
    columns: slice
    targets: npt.NDArray[Any]
    truth: Ints
    beside: bool = False

    @property
    def suffix(self) -> str:
        """Ends the names of its files: ``""``, or ``-labels``."""
        return f"-{self.target}" if self.beside else ""

    def with_target(self, faces: Ints) -> Ints:
        """Those of ``faces`` that it can learn from."""
        return faces if self.target == "labels" else faces[self.targets[faces].any(axis=1)]

    def judged(self, faces: Ints) -> Ints:
        """Those of ``faces`` for which there is a correct class."""
        return faces[self.truth[faces] >= 0]

    def prior(self, faces: Ints) -> tuple[float, ...]:
        """Share of each class among ``faces``, as far as they have a correct class; () where none has."""
        counts = np.bincount(self.truth[self.judged(faces)], minlength=len(self.classes))
        return tuple((counts / counts.sum()).tolist()) if counts.any() else ()

    def cross_entropy(self, logits: npt.NDArray[np.floating], faces: Ints) -> float:
        """Mean cross-entropy to the targets of ``faces`` in nats; logits (n, C)."""
        if self.target == "labels":
            return metrics.cross_entropy(logits, self.targets[faces])
        return metrics.soft_cross_entropy(logits, self.targets[faces])

    def predict(self, classifier: Classifier, dataset: FaceDataset, faces: Ints) -> Predictions:
        """Predictions for those of ``faces`` that have a correct class, by a classifier with these classes."""
        judged = self.judged(faces)
        logits = classifier.logits(dataset.images[judged])
        return Predictions(dataset.ids[judged], self.truth[judged], logits, self.classes, classifier.temperature)


def make_outputs(dataset: FaceDataset, targets: Literal["labels", "votes", "both"]) -> tuple[Output, ...]:
    """The outputs of a network for these faces; first the one that is meant where none is named.

    Raises:
        DataError: votes are asked for, and there are none, or they are on fewer than two classes.
    """
    outputs = []
    if targets != "labels":
        classes = classes_of_votes(dataset)
        assert dataset.votes is not None  # else it has no such classes
        soft, _ = vote_targets(dataset.votes, dataset.vote_columns, classes)
        most = majority(dataset.votes, dataset.vote_columns, classes)
        outputs.append(Output("votes", classes, slice(0, len(classes)), soft, most))
    if targets != "votes":
        first = outputs[0].columns.stop if outputs else 0
        columns = slice(first, first + len(dataset.classes))
        outputs.append(Output("labels", dataset.classes, columns, dataset.labels, dataset.labels, beside=bool(outputs)))
    return tuple(outputs)


def learnable(
    dataset: FaceDataset, split: ProtocolSplit, outputs: tuple[Output, ...], config: TrainConfig
) -> tuple[ProtocolSplit, tuple[str, ...]]:
    """The split without faces that no output can use, and sentences for the log about faces without votes.

    Raises:
        DataError: an output has nothing to learn from or to be validated on.
    """
    notes = []
    for output in outputs:
        if output.target == "labels":
            continue
        train, valid = output.with_target(split.train), output.judged(split.valid)
        if not len(train):
            raise DataError(
                f"None of the {len(split.train):,} training faces of {dataset.name} has votes of people for a class "
                f"({', '.join(output.classes)}), or not for more than half of its votes. "
                "Give the votes on these faces, or train on the labels."
            )
        parts = [("validation", valid)]
        if split.leak_free is not None:
            parts.append(("honest", output.judged(split.leak_free)))
        if config.evaluate_test:
            parts.append(("test", output.judged(dataset.indices("test"))))
        for name, faces in parts:
            if not len(faces):
                raise DataError(
                    f"None of the {name} faces of {dataset.name} has a class that the majority of people voted for, "
                    "so predictions cannot be checked there. Give the votes on these faces, or train on the labels."
                )
        alone = len(outputs) == 1
        if left_out := len(split.train) - len(train):
            then = "are left out" if alone else "count for their label only"
            notes.append(f"{left_out:,} of {len(split.train):,} training faces have no votes for a class; they {then}.")
        notes.append(
            f"People's votes are validated on the {len(valid):,} of {len(split.valid):,} faces that have a majority."
        )
        if alone:
            honest = None if split.leak_free is None else output.judged(split.leak_free)
            split = replace(split, train=train, valid=valid, leak_free=honest)
    return split, tuple(notes)
