"""Recording takes on the Teach page: what the camera shows, the running take, and saving a finished one."""

from __future__ import annotations

from functools import partial
from typing import Final

import streamlit as st

from fer_core.classes import ClassList
from fer_core.errors import FerError
from fer_core.faces import FaceDetector
from fer_core.formatting import counted
from fer_core.live import LiveSession, RecordedTake, TakeRecorder
from fer_core.serve.quota import TAKE_BYTES, TAKE_FILES
from pages.ui.components.take_board import take_board
from pages.ui.shell import session
from pages.ui.shell.errors import guarded
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits import limits
from pages.ui.shell.session import state_of
from pages.ui.teach.state import TeachState

_IDLE_POLL: Final = 0.7  # seconds
_TAKE_POLL: Final = 0.25


def recorder() -> TakeRecorder:
    """The recorder of this browser window."""
    from fer_core.teach import judge

    state = state_of(TeachState)
    if state.recorder is None:
        state.recorder = TakeRecorder(partial(judge, detector=FaceDetector(), fast=True))
    return state.recorder


def is_recording() -> bool:
    """Whether a take is counted down or recorded."""
    return recorder().state().phase != "idle"


def record_button(name: str, *, next_one: bool) -> None:
    """Draw the button that records a take of a class; the one to press next stands out."""
    st.button(
        f"Record {plain(name)}",
        icon=":material/fiber_manual_record:",
        type="primary" if next_one else "secondary",
        key=f"teach-record-{name}",
        on_click=guarded(_record),
        args=(name,),
        disabled=is_recording(),
        width="stretch",
    )


def _record(name: str) -> None:
    limits().require_space(TAKE_BYTES, TAKE_FILES, what="a take")
    recorder().record(name)


def now_showing(live: LiveSession) -> None:
    """Draw what the camera shows and the running take; polls faster while one runs."""
    st.fragment(_board, run_every=_TAKE_POLL if is_recording() else _IDLE_POLL)(live, is_recording())


def _board(live: LiveSession, was_recording: bool) -> None:
    """Draw the board; at the end of a take, save it and rerun the page."""
    from fer_core.teach import ADVICE

    state = state_of(TeachState)
    now = recorder().state()
    if save_finished() or (was_recording and now.phase == "idle"):
        st.rerun()
    if live.error:
        st.error(plain(live.error), icon=":material/error:")
    take_board(
        now,
        color_of(now.class_name),
        {str(reason): text for reason, text in ADVICE.items()},
        playing=state.camera.playing,
    )
    if now.phase != "idle":
        st.button("Cancel the take", icon=":material/close:", key="teach-cancel", on_click=recorder().cancel)
    elif now.note:
        st.warning(plain(now.note), icon=":material/warning:")
    _unsaved(state)


def save_finished() -> bool:
    """Save a take that has just ended; returns whether there was one."""
    take = recorder().finished()
    if take is None:
        return False
    _save(take)
    return True


def _save(take: RecordedTake) -> None:
    """Save a take; what cannot be saved stays in memory, and the error is shown after the rerun."""
    state = state_of(TeachState)
    try:
        state.set_of_takes().add(take.class_name, take.faces, take.left_out)
    except FerError as error:
        state.unsaved = take
        session.push_error(str(error))
    else:
        state.unsaved = None
        session.notify(f"Kept {counted(len(take.faces), 'face')} of {take.class_name}.")


def _unsaved(state: TeachState) -> None:
    """Offer to save a take again that could not be saved."""
    take = state.unsaved
    if take is None:
        return
    st.warning(
        f"The take of {plain(take.class_name)} ({counted(len(take.faces), 'face')}) is not saved yet; it is in memory only.",
        icon=":material/save:",
    )
    with st.container(horizontal=True, gap="small"):
        if st.button("Save the take again", icon=":material/save:", key="teach-save-again"):
            _save(take)
            st.rerun()  # the classes show it
        st.button("Discard it", icon=":material/delete:", key="teach-discard", on_click=_discard_unsaved)


def _discard_unsaved() -> None:
    state_of(TeachState).unsaved = None


def color_of(name: str) -> str:
    """The color of a class among those of the set; gray for none."""
    names = state_of(TeachState).set_of_takes().classes
    if name in names and len(names) > 1:
        return ClassList(names).color(name)
    return "#8A8A8A"
