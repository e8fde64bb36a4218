"""The webcam's connection, and the figures beside it."""

from __future__ import annotations

import threading
from typing import Any, Final

import streamlit as st

from fer_core.live import LiveSession, frames_callback
from pages.ui.components.camera_check import camera_check
from pages.ui.components.face_bars import face_bars
from pages.ui.model.sensitivity import sensitive_classifier
from pages.ui.shell import session
from pages.ui.shell.errors import calm
from pages.ui.shell.session import state_of
from pages.ui.webcam.diagnosis import doctor, fallbacks
from pages.ui.webcam.game import BESIDE, game, shows_game
from pages.ui.webcam.state import WebcamState

_KEY: Final = "camera"  # of the video on the page
_READ_EVERY: Final = 0.7  # seconds between two looks at the figures


def ice_servers() -> list[dict[str, Any]]:
    """STUN and TURN servers from ``.streamlit/secrets.toml`` (``[[webrtc.ice_servers]]``); none by default.

    With none, nothing but this machine is ever contacted. docs/webcam.md says what to enter for use across a network.
    """
    try:
        found = st.secrets["webrtc"]["ice_servers"]
    except (FileNotFoundError, KeyError):
        return []
    return [dict(server) for server in found]


def live_session(model: str) -> LiveSession:
    """This browser window's live session, with the model in use."""
    classifier = sensitive_classifier(model)
    state = state_of(WebcamState)
    state.model = model
    if state.live is None:
        state.live = LiveSession(classifier)
        threading.Thread(target=state.live.warm_up, name="warm up the live view", daemon=True).start()
    state.live.use(classifier)
    return state.live


@st.fragment
def camera(live: LiveSession) -> None:
    """The video, and what the browser says of its camera.

    In a fragment, since each step of the connection reruns what it stands in. In one fragment, since the browser takes
    what several components report in one moment for reports of one fragment, and forgets the other.
    """
    from streamlit_webrtc import WebRtcMode, webrtc_streamer

    from pages.ui.webcam.patches import close_stale_connection, freeze_loaded_objects, install_patches

    install_patches()
    freeze_loaded_objects()
    close_stale_connection(_KEY)
    context = webrtc_streamer(
        key=_KEY,
        mode=WebRtcMode.SENDRECV,
        # Always given: left out, the library would contact public STUN servers.
        rtc_configuration={"iceServers": ice_servers()},
        media_stream_constraints={
            "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}},
            "audio": False,
        },
        # Frames enter here: media.NewestFrameTrack, which patches.py puts into the library, calls this function, in a
        # thread of its own, with all that came since the last call.
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
    state_of(WebcamState).note_camera(playing=playing, busy=playing or context.state.signalling, frames=live.frames)
    advice = camera_check(playing=playing)
    if advice and not playing:
        st.warning(advice, icon=":material/videocam_off:")
        fallbacks()


@st.fragment(key=BESIDE)
def beside(live: LiveSession) -> None:
    """What stands beside the picture: the figures and faces, or the game."""
    if shows_game():
        game(live)
    else:
        read_out(live)


@st.fragment(run_every=_READ_EVERY)
def read_out(live: LiveSession) -> None:
    """Figures, faces and the doctor; looks at the session a little more than once a second."""
    if session.face_is_waiting():  # the switch below was overtaken by this timer, however late: try again
        st.switch_page("pages/upload.py")
    rates = live.stats()
    doctor(live, rates)
    first, second = st.columns(2)
    first.metric("Frames shown", f"{rates.shown:.0f} / s", help="Annotated and handed to the browser.")
    second.metric(
        "Age of the picture",
        f"{rates.latency_ms:.0f} ms",
        help="From the arrival of a frame here to its annotated copy. The way from the camera and to the screen comes on top.",
    )
    first.metric("Frames in", f"{rates.received:.0f} / s", help="From the camera.")
    second.metric(
        "Frames dropped", f"{rates.dropped:,}", help="Left out because a newer one had come. Normal on a busy machine."
    )
    st.caption(f"Milliseconds per frame: {' · '.join(f'{name} {ms:.1f}' for name, ms in rates.stages.items()) or '–'}")
    with calm("drawing the faces"):
        faces(live)


def faces(live: LiveSession) -> None:
    """Probabilities now, and over the last seconds, for each face; one of them may be sent to the Upload page."""
    found = live.faces()
    if not found:
        st.caption("No face in the picture." if live.frames else "Press START under the picture.")
        if not live.frames:
            return
    else:
        st.markdown(f"**{len(found)} faces**" if len(found) > 1 else "**1 face**")
    # Drawn without faces too: somebody may have pressed the button of one that is just gone.
    wanted = face_bars(live.classes(), found, live.history())
    crop = None if wanted is None else live.crop(wanted)
    if crop is not None:
        session.send_face(crop)
        st.switch_page("pages/upload.py")
