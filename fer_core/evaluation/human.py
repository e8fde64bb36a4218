"""Human votes compared with the data set's labels and a model's predictions."""

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
    """Summary of human votes on some faces.

    Attributes:
        confusion: float64 (C, C): row = data set's label, column = mean share of votes for each class. A row sums to
            less than 1 if there are votes for non-classes such as unknown and "not a face"; rows of classes without
            rated faces are zero.
        agreement: share of rated faces whose most voted class is the data set's label.
        top_share: mean share of votes for the most voted choice: how much raters agree.
        rated: number of faces with votes.
        not_faces: number of images that all raters voted "not a face".
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
    """Summarize the votes on faces.

    Args:
        votes: int64 (N, K).
        columns: names of the K choices.
        classes: C classes, matched to ``columns`` by name.
        labels: int64 (N,), positions in ``classes``.

    Raises:
        DataError: no face has votes.
    """
    total = votes.sum(axis=1)
    rated = total > 0
    if not rated.any():
        raise DataError(
            "None of these faces has votes. Put fer2013new.csv (for FER2013) or votes.csv next to the data and reload."
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
    """Return the most voted choice as a position in ``classes``; -1 for non-classes and ties."""
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
    """Classify each error by the votes, str (N,); "" if the prediction is correct or the face has no votes.

    * label doubtful: more than half of the votes are for the prediction;
    * model wrong: more than half of the votes are for the data set's label;
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
