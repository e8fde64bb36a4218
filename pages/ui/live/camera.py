"""The webcam connection, and the face panels next to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import streamlit as st

from fer_core.live import FrameStats, LiveSession, frames_callback
from pages.ui.components.camera_check import camera_check
from pages.ui.components.face_bars import face_bars
from pages.ui.live.diagnosis import NO_CREDENTIALS, doctor, fallbacks
from pages.ui.live.limits import camera_slot, end_camera
from pages.ui.live.relay import ice_servers, relay_is_faulty, renew_credentials
from pages.ui.live.state import LiveState
from pages.ui.model.sensitivity import sensitive_classifier
from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.limits import limits

CAMERA_CONSTRAINTS: Final = {"video": {"width": {"ideal": 640}, "frameRate": {"ideal": 30}}, "audio": False}
"""Requested camera settings. With a height, browsers would crop the image to that aspect ratio."""
_READ_EVERY: Final = 0.7  # seconds between two polls


def live_session(state: LiveState, model: str) -> LiveSession:
    """Return the live session of a page in this browser window, with a model."""
    classifier = sensitive_classifier(model)
    state.model = model
    if state.live is None:
        state.live = LiveSession(classifier)
        threading.Thread(target=state.live.warm_up, name="warm up the live view", daemon=True).start()
    state.live.use(classifier)
    return state.live


@st.fragment
def camera(live: LiveSession, state: LiveState, invite: Callable[[], None]) -> None:
    """Draw the video and the camera check; ``invite`` draws what is shown while the camera is off.

    A fragment, because each step of the connection triggers a rerun. One fragment for both components, because the
    browser attributes simultaneous reports of several components to one fragment and drops the other.
    """
    from pages.ui.live.patches import close_stale_connection, freeze_loaded_objects, install_patches

    install_patches()
    freeze_loaded_objects()
    close_stale_connection(state.KEY)
    # Both are always there, so that the video below keeps its place on the page: a fragment takes one, too.
    above, invitation = st.container(), st.empty()
    with above:
        if not camera_slot(live, state):
            return
        servers = ice_servers()
        renew_credentials(state)
    with st.container(key="webcam-video"):
        context = _streamer(live, state.KEY, state.window, servers)
    playing = context.state.playing
    busy = playing or context.state.signalling
    state.note_camera(playing=playing, busy=busy, frames=live.frames)
    if not busy:
        with invitation.container(key="webcam-invitation"), error_boundary("drawing the sample"):
            invite()
    advice = camera_check(playing=playing, failed=state.camera.failed, servers=servers)
    if advice and not playing:
        st.warning(advice, icon=":material/videocam_off:")
        fallbacks()
    if relay_is_faulty():
        st.warning(NO_CREDENTIALS, icon=":material/signal_disconnected:")


def _streamer(live: LiveSession, key: str, window: str, servers: list[dict[str, Any]]) -> Any:
    """The video library's element; returns its context."""
    from streamlit_webrtc import WebRtcMode, webrtc_streamer

    return webrtc_streamer(
        key=key,
        mode=WebRtcMode.SENDRECV,
        # Both are always set: by default, the library contacts public STUN servers.
        frontend_rtc_configuration={"iceServers": servers},
        server_rtc_configuration={"iceServers": []},  # a relay reaches this machine, which needs none itself
        media_stream_constraints=CAMERA_CONSTRAINTS,
        # Frames enter here: media.NewestFrameTrack, which patches.py puts into the library, calls this function, in a
        # thread of its own, with all that came since the last call.
        queued_video_frames_callback=frames_callback(live),
        on_video_ended=partial(end_camera, live, limits(), window),
        async_processing=True,
        media_toggle_controls=False,
        video_html_attrs={
            "autoPlay": True,
            "controls": False,
            "muted": True,
            "style": {"width": "100%", "borderRadius": "0.5rem"},
        },
    )


@st.fragment(run_every=_READ_EVERY)
def read_out(live: LiveSession, state: LiveState) -> None:
    """Draw warnings, statistics and faces; refreshes every 0.7 seconds."""
    if session.face_is_pending():  # a poll overtook the page switch below: retry
        st.switch_page("pages/upload.py")
    stats = live.stats()
    doctor(live, state, stats)
    _chips(live, stats)
    with error_boundary("drawing the faces"):
        faces(live)


def _chips(live: LiveSession, stats: FrameStats) -> None:
    """Draw frame rate, latency and number of faces; the tooltip has the details."""
    if not live.frames:
        return
    count = len(live.faces())
    chips = (
        f"{stats.shown:.0f} frames/s",
        f"{stats.latency_ms:.0f} ms latency",
        f"{count} face{'' if count == 1 else 's'}",
    )
    stages = ", ".join(f"{name} {ms:.1f} ms" for name, ms in stats.stages.items())
    st.markdown(
        " ".join(f":gray-badge[{chip}]" for chip in chips),
        help=f"The camera sends {stats.received:.0f} frames/s; {stats.dropped:,} were dropped because a newer one had "
        "arrived, which is normal on a busy machine. The latency runs from the arrival of a frame on the server to its "
        f"annotated copy; capture and display are not included.{f' Per frame: {stages}.' if stages else ''}",
    )


def faces(live: LiveSession) -> None:
    """Draw the current and recent probabilities of each face; a button sends a face to the Upload page."""
    found = live.faces()
    if not found:
        st.caption("No face in the frame." if live.frames else "Faces, their probabilities and a timeline appear here.")
        if not live.frames:
            return
    # Also drawn without faces: the button of a face that just disappeared may have been pressed.
    wanted = face_bars(live.classes(), found, live.history())
    crop = None if wanted is None else live.crop(wanted)
    if crop is not None:
        session.send_face(crop)
        st.switch_page("pages/upload.py")
