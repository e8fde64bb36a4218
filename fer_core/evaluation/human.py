"""How people label the same faces: their votes beside the data set's label and the model's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data.votes import class_votes, columns_of
from fer_core.errors import DataError

Ints = npt.NDArray[np.int64]
ErrorKind = Literal["model wrong", "label doubtful", "people disagree too"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("model wrong", "label doubtful", "people disagree too")

_NOT_A_FACE = ("nf", "not a face", "not_a_face", "no face")


@dataclass(frozen=True, eq=False)
class VoteSummary:
    """What people say about some faces.

    Attributes:
        confusion: float64 (C, C): row = data set's label, column = mean share of the votes for each class; a row sums
            to less than 1 by the votes for what is no class, such as unknown and "not a face". NaN-free: a class
            without rated faces is all zero.
        agreement: share of rated faces whose most voted class is the data set's label.
        top_share: mean share of the votes that the most voted choice gets: how much people agree.
        rated: number of faces with votes.
        not_faces: number of faces that all voters call "not a face".
    """

    confusion: npt.NDArray[np.float64]
    agreement: float
    top_share: float
    rated: int
    not_faces: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "confusion": self.confusion.tolist(),
            "agreement": self.agreement,
            "top_share": self.top_share,
            "rated": self.rated,
            "not_faces": self.not_faces,
        }


def summarize_votes(votes: Ints, columns: Sequence[str], classes: ClassList, labels: Ints) -> VoteSummary:
    """People's answers to the faces.

    Args:
        votes: int64 (N, K).
        columns: what the votes are for, K names.
        classes: C classes, found among ``columns`` by name.
        labels: int64 (N,), positions in ``classes``.

    Raises:
        DataError: no face has votes.
    """
    total = votes.sum(axis=1)
    rated = total > 0
    if not rated.any():
        raise DataError(
            "None of these faces has votes. Put fer2013new.csv (for FER2013) or votes.csv beside the data and load it again."
        )
    votes, labels, total = votes[rated], labels[rated], total[rated]
    shares = class_votes(votes, columns, classes) / total[:, None]
    not_a_face = [i for i, column in enumerate(columns) if column.lower() in _NOT_A_FACE]
    confusion = np.zeros((len(classes), len(classes)))
    for index in range(len(classes)):
        if (labels == index).any():
            confusion[index] = shares[labels == index].mean(axis=0)
    return VoteSummary(
        confusion=confusion,
        agreement=float(np.mean(_plurality(votes, columns, classes) == labels)),
        top_share=float((votes.max(axis=1) / total).mean()),
        rated=int(rated.sum()),
        not_faces=int((votes[:, not_a_face].sum(axis=1) == total).sum()),
    )


def _plurality(votes: Ints, columns: Sequence[str], classes: ClassList) -> Ints:
    """Most voted choice as a position in ``classes``; -1 for what is no class, and for ties."""
    top = votes.max(axis=1)
    class_of = np.full(len(columns), -1)
    for position, column in enumerate(columns_of(columns, classes)):
        if column is not None:
            class_of[column] = position
    tie = (votes == top[:, None]).sum(axis=1) > 1
    return np.where(tie, -1, class_of[votes.argmax(axis=1)])


def classify_errors(
    votes: Ints, columns: Sequence[str], classes: ClassList, labels: Ints, predicted: Ints
) -> npt.NDArray[np.str_]:
    """The kind of each error, str (N,); "" where the model agrees with the label or the face has no votes.

    * label doubtful: more than half of the voters chose the model's answer;
    * model wrong: more than half chose the data set's label;
    * people disagree too: neither.

    Votes, columns and classes are as in :func:`summarize_votes`; ``labels`` and ``predicted`` are positions in ``classes``.
    """
    total = np.maximum(votes.sum(axis=1), 1)
    shares = class_votes(votes, columns, classes) / total[:, None]
    rows = np.arange(len(labels))
    kinds = np.full(len(labels), "people disagree too", dtype="<U20")
    kinds[shares[rows, labels] > 0.5] = "model wrong"
    kinds[shares[rows, predicted] > 0.5] = "label doubtful"
    kinds[(predicted == labels) | (votes.sum(axis=1) == 0)] = ""
    return kinds
