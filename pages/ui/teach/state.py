"""State of the Teach page in a browser window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from fer_core.live import RecordedTake, TakeRecorder
from fer_core.teach import TakeStore
from pages.ui.live.state import LiveState
from pages.ui.shell import session

FIRST_NAME: Final = "my faces"
"""Name of the first set of takes."""


@dataclass
class TeachState(LiveState):
    """State of the Teach page.

    Attributes:
        store: the set of takes shown. It holds the class names until the first take is recorded.
        recorder: judges the frames of the camera and records takes; None before the first visit.
        unsaved: a recorded take that could not be saved.
        shown_live: sets that were switched to the live view by themselves.
        deleted: what *Delete everything about me* removed, as a sentence.
    """

    KEY: ClassVar[str] = "teach-camera"
    store: TakeStore | None = None
    recorder: TakeRecorder | None = None
    unsaved: RecordedTake | None = None
    shown_live: set[str] = field(default_factory=set)
    deleted: str = ""

    def set_of_takes(self) -> TakeStore:
        """The set of takes shown; on the first visit the newest one, or a new one."""
        if self.store is None:
            self.open(newest_set() or FIRST_NAME)
        assert self.store is not None, "open() sets it"
        return self.store

    def clear(self) -> None:
        """Drop everything that was recorded or named in this window."""
        if self.recorder is not None:
            self.recorder.cancel()
            self.recorder.finished()
        self.store, self.unsaved = None, None
        self.shown_live.clear()

    def open(self, name: str) -> None:
        """Show another set of takes, or a new one.

        Raises:
            ConfigError: the name cannot be used.
        """
        self.store = TakeStore(session.workspace(), name)


def newest_set() -> str | None:
    """Name of the set of takes that was changed last, or None."""
    from fer_core.teach import list_stores

    workspace = session.workspace()
    return max(list_stores(workspace), key=lambda name: (workspace.takes / name).stat().st_mtime, default=None)
