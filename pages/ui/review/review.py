"""A data set under review: its faces and marks, read once per run of the page."""

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
    """State shared by galleries, marking bar and dialog in one run of the page.

    Attributes:
        dataset: the displayed faces.
        journal: file of its marks.
        marks: index -> current mark; empty if the journal is damaged.
        problem: the error of a damaged journal.
    """

    dataset: FaceDataset
    journal: Marks
    marks: dict[int, Mark]
    problem: DataError | None = None

    def check(self) -> None:
        """Raise the error of a damaged journal, before marks are edited.

        Raises:
            DataError: the marks are damaged, or belong to other data.
        """
        if self.problem is not None:
            raise self.problem

    def caption(self, index: int, words: str) -> str:
        """Append the mark of a face to its caption."""
        return f"{words} · {mark_words(self.marks[index])}" if index in self.marks else words


def read_review(dataset: FaceDataset) -> Review:
    """Read the current marks of a data set."""
    journal = marks_for(dataset, session.workspace())
    try:
        return Review(dataset, journal, positions(dataset, journal.current(), journal.path))
    except DataError as problem:
        return Review(dataset, journal, {}, problem)


def mark_words(mark: Mark) -> str:
    """Return a mark as text for a caption."""
    return f"marked {mark.label}" if mark.label else f"marked {KIND_WORDS[mark.kind]}"
