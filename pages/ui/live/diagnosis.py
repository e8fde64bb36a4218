"""Diagnose missing or slow video, and offer alternatives."""

from __future__ import annotations

import time
from typing import Final

import streamlit as st

from fer_core.live import FrameStats, LiveSession
from pages.ui.live.state import Camera, LiveState
from pages.ui.shell.formatting import plain
from pages.ui.shell.navigation import UploadSource, upload_link

CONNECTING_SECONDS: Final = 10.0
"""Seconds after which a connection without frames is reported."""
NO_CREDENTIALS: Final = (
    "The relay for video is not set up correctly, so the camera works only near this server. Tell its operator: the "
    "server's log says what is wrong."
)
_NETWORK = (
    "A firewall or VPN may block connections from the browser to FER Lab. If the page is open on another machine, it "
    "needs a relay (a TURN server; see docs/deploy.md)."
)


def diagnosis(camera: Camera, frames: int, stats: FrameStats, now: float) -> str | None:
    """Return what is wrong with the connection, or None.

    Args:
        camera: state of the connection.
        frames: frames shown since the first visit.
        stats: statistics of the last seconds.
        now: the monotonic clock.
    """
    if camera.failed:
        return f"No connection: no frame arrived from the browser. {_NETWORK}"
    if camera.since is None or now - camera.since <= CONNECTING_SECONDS:
        return None
    if frames == camera.frames:
        return f"The camera is on, but no frame arrives. Press STOP, then START. If that does not help: {_NETWORK}"
    if camera.playing and stats.shown == 0:
        return (
            "The camera stopped sending frames, for example because it was unplugged or the machine slept. Press STOP, then "
            "START."
        )
    return None


def doctor(live: LiveSession, state: LiveState, stats: FrameStats) -> None:
    """Draw warnings about the connection, if any."""
    found = diagnosis(state.camera, live.frames, stats, time.monotonic())
    if found:
        st.warning(found, icon=":material/signal_disconnected:")
        fallbacks()
    if live.error or live.recording_error:
        st.error(plain(live.error or live.recording_error), icon=":material/error:")
    if live.reduced:
        st.info(live.reduced, icon=":material/speed:")


def fallbacks() -> None:
    """Draw links to alternatives. Links, because the browser stops polling before it follows one; the next poll would
    override a page switch from the script."""
    with st.container(horizontal=True, gap="small"):
        upload_link(UploadSource.SNAPSHOT, "Take a snapshot", ":material/photo_camera:")
        upload_link(UploadSource.VIDEO, "Use a video file", ":material/movie:")
