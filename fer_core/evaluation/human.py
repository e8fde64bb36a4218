"""How people label the same faces: FER+'s ten votes beside the data set's label and the model's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import FERPLUS_COLUMNS, LABELS, find_label
from fer_core.errors import DataError

Ints = npt.NDArray[np.int64]
ErrorKind = Literal["model wrong", "label doubtful", "people disagree too"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("model wrong", "label doubtful", "people disagree too")

_COLUMNS = np.array([[find_label(column) for column in FERPLUS_COLUMNS].index(i) for i in range(len(LABELS))])


def emotion_votes(votes: Ints) -> Ints:
    """Votes for the seven emotions in the order of LABELS, int64 (N, 7), from FER+ counts (N, 10)."""
    return np.asarray(votes)[:, _COLUMNS]


@dataclass(frozen=True, eq=False)
class HumanView:
    """What people say about some faces.

    Attributes:
        confusion: float64 (7, 7): row = data set's label, column = mean share of the ten votes for each emotion;
            a row sums to less than 1 by the votes for contempt, unknown and "not a face". NaN-free: a class without
            rated faces is all zero.
        agreement: share of rated faces whose most voted emotion is the data set's label.
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


def human_view(votes: Ints, labels: Ints) -> HumanView:
    """People's answers to the faces; votes int64 (N, 10), labels int64 (N,).

    Raises:
        DataError: no face has votes.
    """
    total = votes.sum(axis=1)
    rated = total > 0
    if not rated.any():
        raise DataError("None of these faces has FER+ votes. Put fer2013new.csv beside the data and load it again.")
    votes, labels, total = votes[rated], labels[rated], total[rated]
    shares = emotion_votes(votes) / total[:, None]
    confusion = np.zeros((len(LABELS), len(LABELS)))
    for index in range(len(LABELS)):
        if (labels == index).any():
            confusion[index] = shares[labels == index].mean(axis=0)
    return HumanView(
        confusion=confusion,
        agreement=float(np.mean(_plurality(votes) == labels)),
        top_share=float((votes.max(axis=1) / total).mean()),
        rated=int(rated.sum()),
        not_faces=int((votes[:, FERPLUS_COLUMNS.index("NF")] == total).sum()),
    )


def _plurality(votes: Ints) -> Ints:
    """Most voted choice as an index into LABELS; -1 for contempt, unknown or "not a face", and for ties."""
    top = votes.max(axis=1)
    winner = votes.argmax(axis=1)
    index = np.array([i if (i := find_label(column)) is not None else -1 for column in FERPLUS_COLUMNS])[winner]
    tie = (votes == top[:, None]).sum(axis=1) > 1
    return np.where(tie, -1, index)


def sort_errors(votes: Ints, labels: Ints, predicted: Ints) -> npt.NDArray[np.str_]:
    """The kind of each error, str (N,); "" where the model agrees with the label or the face has no votes.

    * label doubtful: more than half of the voters chose the model's answer;
    * model wrong: more than half chose the data set's label;
    * people disagree too: neither.
    """
    total = np.maximum(votes.sum(axis=1), 1)
    shares = emotion_votes(votes) / total[:, None]
    rows = np.arange(len(labels))
    kinds = np.full(len(labels), "people disagree too", dtype="<U20")
    kinds[shares[rows, labels] > 0.5] = "model wrong"
    kinds[shares[rows, predicted] > 0.5] = "label doubtful"
    kinds[(predicted == labels) | (votes.sum(axis=1) == 0)] = ""
    return kinds
