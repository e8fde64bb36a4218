"""Background tasks in a thread: a button, then progress with Cancel, then the result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from fer_core.errors import FerError
from pages.ui.shell.errors import log_internal_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_of

Report = Callable[..., None]
"""Called by a task with (done, total), and optionally with an intermediate result for ``show``."""
Stop = Callable[[], bool]
"""Called by a task to ask whether it should stop."""
Task = Callable[[Report, Stop], Any]

_POLL = 0.4  # seconds


class Work:
    """A task in its thread, which survives page changes and never calls Streamlit."""

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
        """Whether the thread is still running."""
        return self.thread.is_alive()

    def cancel(self) -> None:
        """Ask the task to stop; files it has written stay."""
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
            reference, _ = log_internal_error(error, self.doing)
            self.error = f"Internal error while {self.doing}. The details are in the log, reference {reference}."


@dataclass
class BackgroundState:
    """The background work of this browser window: key of :func:`background` -> the task running there, or the last one."""

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
    """Draw a button that starts a task, or its progress while it runs; returns the result once it is there.

    Args:
        key: Identifies the task on the page.
        identity: What the result belongs to; when it changes, a running task is canceled and its result discarded.
        button: Label of the button.
        prepare: Creates the task; called on the page when the button is pressed.
        doing: What the task does, to follow "while": ``measuring the faces``.
        icon: Icon of the button.
        help: Tooltip of the button.
        show: Draws intermediate results under the progress bar at each poll.
    """
    works = state_of(BackgroundState).at
    work = works.get(key)
    if work is not None and work.identity != identity:
        discard(key)
        work = None
    if work is None or (not work.running and work.result is None) or (work.cancelled and not work.running):
        if work is not None and work.cancelled:
            st.caption("Canceled.")
        elif work is not None and work.error:
            st.error(plain(work.error), icon=":material/error:")
        # In its own element, so that the progress bar replaces the pressed button.
        place = st.empty()
        if not place.button(button, icon=icon, help=help, key=f"{key}-start"):
            return work.result if work else None
        place.empty()
        work = works[key] = Work(identity, prepare(), doing)
    if work.running:
        st.fragment(_watch, run_every=_POLL)(key, show)
        return None
    return work.result


def automatic(key: str, identity: Hashable, prepare: Callable[[], Task], *, doing: str, again: str) -> Any | None:
    """Run a task without being asked, and draw its progress; returns the result once it is there.

    Args:
        key: Identifies the task on the page.
        identity: What the result belongs to; when it changes, a running task is canceled and a new one starts.
        prepare: Creates the task; called on the page, once per identity.
        doing: What the task does, to follow "while".
        again: Label of the button after the task failed or was canceled.
    """
    works = state_of(BackgroundState).at
    work = works.get(key)
    if work is None or work.identity != identity:
        discard(key)
        work = works[key] = Work(identity, prepare(), doing)
    if work.running:
        st.fragment(_watch, run_every=_POLL)(key, None)
        return None
    if work.cancelled or work.error:
        if work.error and not work.cancelled:
            st.error(plain(work.error), icon=":material/error:")
        st.button(again, icon=":material/refresh:", key=f"{key}-again", on_click=discard, args=(key,))
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


def discard(key: str, *, wait: float = 0.0) -> None:
    """Cancel the task with this key and discard its result, so that it can be started again.

    Args:
        key: Of the task.
        wait: Longest wait for its end in seconds, for callers that undo what it writes.
    """
    work = state_of(BackgroundState).at.pop(key, None)
    if work is not None:
        work.cancel()
        work.thread.join(wait)
