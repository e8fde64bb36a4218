"""The webcam's connection and the controls around it."""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
import streamlit as st

from fer_core.config import LiveConfig
from fer_core.live import LiveSession, frames_callback
from fer_core.workspace import Workspace
from pages.ui import resources, state
from pages.ui.camera_check import camera_check
from pages.ui.errors import calm
from pages.ui.live_faces import live_faces
from pages.ui.text import plain

CONNECTING_SECONDS: Final = 10.0
"""How long a connection may take before the page says what may be wrong."""
_READ_EVERY: Final = 0.7  # seconds between two looks at the figures


def ice_servers() -> list[dict[str, Any]]:
    """STUN and TURN servers from ``.streamlit/secrets.toml`` (``[[webrtc.ice_servers]]``); none by default.

    With none, nothing but this machine is ever contacted. Across a network the README says what to enter.
    """
    try:
        found = st.secrets["webrtc"]["ice_servers"]
    except (FileNotFoundError, KeyError):
        return []
    return [dict(server) for server in found]


def session(model: str) -> LiveSession:
    """This browser window's live session, with the model in use."""
    classifier = resources.classifier(model)
    live = state.live_session()
    if not isinstance(live, LiveSession):
        live = LiveSession(classifier)
        state.keep_live_session(live)
    live.use(classifier)
    return live


@st.fragment
def camera(live: LiveSession) -> None:
    """The video, and what the browser says of its camera.

    In a fragment, since each step of the connection reruns what it stands in. In one fragment, since the browser takes
    what several components report in one moment for reports of one fragment, and forgets the other.
    """
    from streamlit_webrtc import WebRtcMode, webrtc_streamer

    from pages.ui.video_track import repair

    repair()
    context = webrtc_streamer(
        key="camera",
        mode=WebRtcMode.SENDRECV,
        # Always given: left out, the library would contact public STUN servers.
        rtc_configuration={"iceServers": ice_servers()},
        media_stream_constraints={
            "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}},
            "audio": False,
        },
        queued_video_frames_callback=frames_callback(live),
        on_video_ended=live.stop,
        async_processing=True,
        media_toggle_controls=False,
        video_html_attrs={
            "autoPlay": True,
            "controls": False,
            "muted": True,
            "style": {"width": "100%", "borderRadius": "0.5rem"},
        },
    )
    playing = context.state.playing
    state.note_camera(playing=playing, signalling=context.state.signalling)
    advice = camera_check(playing=playing)
    if advice and not playing:
        st.warning(advice, icon=":material/videocam_off:")
        fallbacks()


@st.fragment(run_every=_READ_EVERY)
def read_out(live: LiveSession) -> None:
    """Figures, faces, charts and the doctor; looks at the session a little more than once a second."""
    since = state.camera_state()[1]
    if since is not None and not live.frames and time.monotonic() - since > CONNECTING_SECONDS:
        st.warning(
            "The camera is on, but no picture arrives. Press STOP, then START. If it stays like this, a firewall or VPN "
            "on this machine may block connections from the browser to FER Lab, or the page is open on another machine: "
            "then a TURN server is needed (see the README).",
            icon=":material/signal_disconnected:",
        )
        fallbacks()
    if live.error:
        st.error(plain(live.error), icon=":material/error:")
    if live.reduced:
        st.info(live.reduced, icon=":material/speed:")
    rates = live.rates()
    stages = " · ".join(f"{name} {ms:.0f}" for name, ms in rates.stages.items()) or "–"
    first, second = st.columns(2)
    first.metric("Frames shown", f"{rates.shown:.0f} / s", help=f"{rates.received:.0f} a second arrive.")
    second.metric(
        "Age of the picture", f"{rates.age:.0f} ms", help="From the arrival of a frame to its annotated copy."
    )
    first.metric("Faces", f"{rates.faces}")
    second.metric(
        "Frames dropped", f"{rates.dropped:,}", help="Left out because a newer one had come. Normal on a busy machine."
    )
    st.caption(f"Milliseconds per frame: {stages}")
    with calm("drawing the faces"):
        faces(live)


def faces(live: LiveSession) -> None:
    """Probabilities now, and over the last seconds, for each face."""
    found = live.faces()
    if found:
        st.markdown(f"**{len(found)} faces**" if len(found) > 1 else "**1 face**")
        live_faces(live.labels(), found, live.history())
    elif live.frames:
        st.caption("No face in the picture.")


def controls(live: LiveSession) -> None:
    """Settings that hold from the next frame on, without reconnecting."""
    with st.container(border=True):
        _settings(live)
        _actions(live)


@st.fragment
def _settings(live: LiveSession) -> None:
    fields, current = LiveConfig.model_fields, live.config
    smoothing = st.slider(
        str(fields["smoothing"].title),
        0.0,
        3.0,
        current.smoothing,
        0.1,
        help=fields["smoothing"].description,
        key="live_smoothing",
    )
    threshold = st.slider(
        str(fields["abstain_below"].title),
        0.0,
        1.0,
        current.abstain_below
        if current.abstain_below is not None
        else resources.classifier(state.live_model()).info.abstain_below,
        0.01,
        help=fields["abstain_below"].description,
        key="live_threshold",
    )
    left, right = st.columns(2)
    mirror = left.toggle(
        str(fields["mirror"].title), current.mirror, help=fields["mirror"].description, key="live_mirror"
    )
    bars = right.toggle(str(fields["bars"].title), current.bars, help=fields["bars"].description, key="live_bars_on")
    every = st.slider(
        str(fields["detect_every"].title),
        1,
        10,
        current.detect_every,
        help=fields["detect_every"].description,
        key="live_every",
    )
    live.configure(
        current.model_copy(
            update={
                "smoothing": smoothing,
                "abstain_below": threshold,
                "mirror": mirror,
                "bars": bars,
                "detect_every": every,
            }
        )
    )


@st.fragment
def _actions(live: LiveSession) -> None:
    left, right = st.columns(2)
    if left.button("Snapshot", icon=":material/photo_camera:", width="stretch", key="live_snapshot"):
        with calm("saving the snapshot"):
            path = live.snapshot()
            st.success(f"Saved as {plain(path)}.", icon=":material/check:")
    recording = live.recording
    if recording is None:
        if right.button("Record", icon=":material/fiber_manual_record:", width="stretch", key="live_record"):
            with calm("starting the recording"):
                live.start_recording(Workspace.default())
            st.rerun(scope="fragment")
    elif right.button("Stop recording", icon=":material/stop:", width="stretch", key="live_record_stop"):
        saved = live.stop_recording()
        state.notify(f"Recorded {saved}." if saved else "Nothing was recorded: no picture came.")
        st.rerun(scope="fragment")
    if live.recording is not None:
        st.caption(f":material/fiber_manual_record: Recording to {plain(live.recording.name)}, with a csv beside it.")
    notice = state.take_notice()
    if notice:
        st.success(plain(notice), icon=":material/check:")
    _send_face(live)


def _send_face(live: LiveSession) -> None:
    """Open the current crop of a face in the inspector."""
    faces = live.faces()
    if st.button(
        "Send this face to Upload",
        icon=":material/search:",
        width="stretch",
        key="live_send",
        help="Opens the largest face of the picture in the inspector, with what the network looks at.",
    ):
        if not faces:
            st.warning("There is no face in the picture just now.")
            return
        face = max(faces, key=lambda f: f.box[2] * f.box[3])
        state.send_face(np.array(face.crop))
        st.switch_page("pages/upload.py")


def fallbacks() -> None:
    """Other ways in, one click away."""
    st.page_link("pages/upload.py", label="Take a snapshot or use a photograph instead", icon=":material/add_a_photo:")
