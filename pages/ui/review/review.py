"""A data set under review: its faces and the marks a person put on them, read once for each draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fer_core.data.marks import Mark, MarkKind, Marks, marks_for, positions
from fer_core.errors import DataError
from pages.ui.shell import session

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

KIND_WORDS: Final[dict[MarkKind, str]] = {
    "wrong_label": "wrong label",
    "not_a_face": "not a face",
    "ambiguous": "ambiguous",
}


@dataclass(frozen=True)
class Review:
    """What galleries, the marking bar and the dialog of one draw share.

    Attributes:
        dataset: whose faces are shown.
        journal: where its marks are kept.
        marks: the marks that hold, by position; none where the journal is damaged.
        problem: what is wrong with the journal.
    """

    dataset: FaceDataset
    journal: Marks
    marks: dict[int, Mark]
    problem: DataError | None = None

    def check(self) -> None:
        """Say what is wrong with the journal, where marks are edited; galleries show the faces all the same.

        Raises:
            DataError: the marks are damaged, or belong to other data.
        """
        if self.problem is not None:
            raise self.problem

    def caption(self, index: int, words: str) -> str:
        """The words beneath a face, with its mark."""
        return f"{words} · {mark_words(self.marks[index])}" if index in self.marks else words


def read_review(dataset: FaceDataset) -> Review:
    """The data set with its marks as they are now."""
    journal = marks_for(dataset, session.workspace())
    try:
        return Review(dataset, journal, positions(dataset, journal.current(), journal.path))
    except DataError as problem:
        return Review(dataset, journal, {}, problem)


def mark_words(mark: Mark) -> str:
    """A mark as the caption beneath a face says it."""
    return f"marked {mark.label}" if mark.label else f"marked {KIND_WORDS[mark.kind]}"
