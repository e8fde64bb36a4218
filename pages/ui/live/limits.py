"""The camera's slot on a shared server: taken before the connection, given back at its end, and when nobody is there."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.errors import LimitError
from fer_core.formatting import duration
from fer_core.live import LiveSession
from pages.ui.live.diagnosis import fallbacks
from pages.ui.live.patches import close_connection, is_wanted
from pages.ui.live.state import Camera, LiveState
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits import Limits, limits

_LOOK_EVERY: Final = 5.0  # seconds between two looks whether somebody is there


def camera_slot(live: LiveSession, state: LiveState) -> bool:
    """Take, keep or give back the slot of this window's camera; says why if there is none, and then draws no video.

    Returns:
        Whether to draw the video; always in local mode.
    """
    now = limits()
    if now.user is None:
        return True
    cameras = now.services.cameras
    if state.idle:
        _closed(state, now)
        return False
    try:
        if is_wanted(state.KEY):
            cameras.take(state.window, now.user.key, live, now.settings)
            if cameras.is_idle(state.window, now.settings):
                state.idle = True
                _end(state, now)
                _closed(state, now)
                return False
            st.fragment(_watch, run_every=_LOOK_EVERY)(state)
        else:
            cameras.release(state.window)
            cameras.require(state.window, now.settings)
    except LimitError as error:
        now.note("refused", "camera")
        _end(state, now)
        st.warning(plain(error), icon=":material/videocam_off:")
        st.button("Try again", icon=":material/refresh:", key=f"{state.KEY}-again")
        fallbacks()
        return False
    return True


def end_camera(live: LiveSession, now: Limits, window: str) -> None:
    """Handle the end of a camera stream, in any thread."""
    live.stop()
    now.services.cameras.release(window)


def _end(state: LiveState, now: Limits) -> None:
    close_connection(state.KEY)
    now.services.cameras.release(state.window)
    state.camera = Camera()  # it did not fail


def _watch(state: LiveState) -> None:
    """Rerun the page once the camera has been idle for too long, or lost its slot; it then closes the camera, or takes
    another slot."""
    now = limits()
    cameras = now.services.cameras
    if cameras.is_idle(state.window, now.settings) or not cameras.has_slot(state.window):
        st.rerun()


def _closed(state: LiveState, now: Limits) -> None:
    """Say that the camera was closed, and offer to start it again."""

    def again() -> None:
        state.idle = False

    st.info(
        f"The camera was closed because no face was in the picture for {duration(60 * now.settings.idle_camera_minutes)}: "
        "others may be waiting for it.",
        icon=":material/videocam_off:",
    )
    st.button("Use the camera again", icon=":material/videocam:", key=f"{state.KEY}-reopen", on_click=again)
