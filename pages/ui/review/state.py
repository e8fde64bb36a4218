"""State of marking in a browser window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class MarkingState:
    """The markings made in this window.

    Attributes:
        batches: ids of the marks that each marking made, oldest first: a marking is undone as a whole.
        round: counts markings and undone ones; put into a gallery's key, it clears the selection after each.
    """

    batches: list[list[str]] = field(default_factory=list)
    round: int = 0

    @property
    def last(self) -> list[str]:
        """Ids of the marks of the last marking; none when all were undone."""
        return list(self.batches[-1]) if self.batches else []

    def remember(self, marks: Sequence[str]) -> None:
        """Keep the ids of one marking's marks."""
        self.batches.append(list(marks))
        self.round += 1

    def drop_undone(self, marks: Sequence[str]) -> None:
        """Remove marks that were undone from the undo history."""
        left = [[mark for mark in batch if mark not in marks] for batch in self.batches]
        self.batches = [batch for batch in left if batch]
        self.round += 1
