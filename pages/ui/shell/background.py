"""Work that takes longer than a moment, in a thread of its own: a button, then progress with Cancel, then the result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from fer_core.errors import FerError
from pages.ui.shell.errors import record_defect
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_of

Report = Callable[..., None]
"""Called by the work with (done, total), and with anything that ``show`` may draw as a third argument."""
Stop = Callable[[], bool]
"""Asked by the work whether it should end."""
Task = Callable[[Report, Stop], Any]

_POLL = 0.4  # seconds


class Work:
    """One task in its thread. The page may be left and come back to; the thread never touches Streamlit."""

    def __init__(self, identity: Hashable, task: Task, doing: str) -> None:
        self.identity = identity
        self.doing = doing
        self.done, self.total = 0, 0
        self.seen: Any = None
        self.result: Any = None
        self.error: str | None = None
        self.cancelled = False
        self._task = task
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=doing, daemon=True)
        self.thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread is still at work."""
        return self.thread.is_alive()

    def cancel(self) -> None:
        """Ask the task to end; what it wrote until then stays."""
        self.cancelled = True
        self._stop.set()

    def _report(self, done: int, total: int, seen: Any = None) -> None:
        self.done, self.total, self.seen = done, total, seen

    def _run(self) -> None:
        try:
            self.result = self._task(self._report, self._stop.is_set)
        except FerError as error:
            self.error = str(error)
        except Exception as error:
            reference, _ = record_defect(error, self.doing)
            self.error = (
                f"Something in FER Lab went wrong while {self.doing}. The details are in the log under {reference}."
            )


@dataclass
class BackgroundState:
    """The work of this browser window: place on a page -> what runs there, or ran last."""

    at: dict[str, Work] = field(default_factory=dict)


def background(
    key: str,
    identity: Hashable,
    button: str,
    prepare: Callable[[], Task],
    *,
    doing: str,
    icon: str = ":material/play_arrow:",
    help: str | None = None,
    show: Callable[[Work], None] | None = None,
) -> Any | None:
    """Draw a button that starts a task, its progress while it runs, and return what it gave.

    Args:
        key: Names the place on the page.
        identity: What the result belongs to; when it changes, an unfinished task is cancelled and its result forgotten.
        button: What the button says.
        prepare: Runs on the page when the button is pressed, and makes the task.
        doing: What is done, to follow "while": ``measuring the faces``.
        icon: Of the button.
        help: Of the button.
        show: Draws more under the progress bar at each look.
    """
    works = state_of(BackgroundState).at
    work = works.get(key)
    if work is not None and work.identity != identity:
        forget(key)
        work = None
    if work is None or (not work.running and work.result is None) or (work.cancelled and not work.running):
        if work is not None and work.cancelled:
            st.caption("Cancelled.")
        elif work is not None and work.error:
            st.error(plain(work.error), icon=":material/error:")
        # In an element of its own, so that the pressed button gives way to the progress bar.
        place = st.empty()
        if not place.button(button, icon=icon, help=help, key=f"{key}-start"):
            return work.result if work else None
        place.empty()
        work = works[key] = Work(identity, prepare(), doing)
    if work.running:
        st.fragment(_watch, run_every=_POLL)(key, show)
        return None
    return work.result


def _watch(key: str, show: Callable[[Work], None] | None) -> None:
    work = state_of(BackgroundState).at.get(key)
    if work is None or not work.running:
        st.rerun()
        return
    counted = f": {work.done:,} of {work.total:,}" if work.total else "…"
    text = "Stopping…" if work.cancelled else f"{work.doing.capitalize()}{counted}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(1.0, work.done / work.total) if work.total else 0.0, text=plain(text))
        st.button("Cancel", icon=":material/close:", key=f"{key}-cancel", on_click=work.cancel, disabled=work.cancelled)
    if show is not None:
        show(work)


def forget(key: str) -> None:
    """Cancel what runs at this place of the page and forget what it gave, so that it can be started again."""
    work = state_of(BackgroundState).at.pop(key, None)
    if work is not None:
        work.cancel()
