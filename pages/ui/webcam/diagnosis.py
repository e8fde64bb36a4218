"""Why there is no picture, or a slow one, in plain words with what to do; and the ways round it, one click away."""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

from fer_core.live import FrameStats, LiveSession
from pages.ui.shell.formatting import plain
from pages.ui.shell.navigation import UploadWay, upload_link
from pages.ui.shell.session import state_of
from pages.ui.webcam.state import Camera, WebcamState

CONNECTING_SECONDS: Final = 10.0
"""How long a connection may take before the page says what may be wrong."""
_NETWORK = (
    "A firewall or VPN on this machine may block connections from the browser to FER Lab, or the page is open on another "
    "machine: then a TURN server is needed (see docs/webcam.md)."
)


def diagnosis(camera: Camera, frames: int, rates: FrameStats, now: float) -> str | None:
    """What is wrong with the connection, or None.

    Args:
        camera: what the connection does.
        frames: frames shown since the page was opened first.
        rates: of the last few seconds.
        now: the monotonic clock.
    """
    if camera.failed:
        return f"The connection was not made: no picture came from the browser. {_NETWORK}"
    if camera.since is None or now - camera.since <= CONNECTING_SECONDS:
        return None
    if frames == camera.frames:
        return f"The camera is on, but no picture arrives. Press STOP, then START. If it stays like this: {_NETWORK}"
    if camera.playing and rates.shown == 0:
        return (
            "The camera has stopped sending pictures. It may have been unplugged, or this machine has slept. "
            "Press STOP, then START."
        )
    return None


def doctor(live: LiveSession, rates: FrameStats) -> None:
    """Show what is wrong, if anything is."""
    found = diagnosis(state_of(WebcamState).camera, live.frames, rates, time.monotonic())
    if found:
        st.warning(found, icon=":material/signal_disconnected:")
        fallbacks()
    if live.error:
        st.error(plain(live.error), icon=":material/error:")
    if live.reduced:
        st.info(live.reduced, icon=":material/speed:")


def fallbacks() -> None:
    """Other ways in, one click away. Links, since the browser stops asking for the figures before it follows one: a page
    switched by the script would be overtaken by the next look at the figures."""
    with st.container(horizontal=True, gap="small"):
        upload_link(UploadWay.SNAPSHOT, "Take a snapshot", ":material/photo_camera:")
        upload_link(UploadWay.VIDEO, "Use a video file", ":material/movie:")
