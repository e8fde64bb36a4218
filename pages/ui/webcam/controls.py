"""The settings of the live view and what can be done with its picture; all hold at once, without reconnecting."""

from __future__ import annotations

import streamlit as st

from fer_core.config import LiveConfig
from fer_core.live import LiveSession
from pages.ui.model.sensitivity import sensitive_classifier, sensitivity_slider
from pages.ui.shell import session
from pages.ui.shell.errors import calm, calmly, show_complaint
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_of
from pages.ui.webcam.game import CONTROLS, shows_game
from pages.ui.webcam.state import WebcamState

_CALIBRATION = (
    "Some faces look sad or angry to a network while they rest. Look into the camera with a relaxed face for two seconds, "
    "alone: what the network reads into it is then taken off its scores (logits) for other expressions, for every face in "
    "this view and in recordings of it. It is not training, it makes the network no better for other people, and it never "
    "touches what Upload says. Reset or another model ends it."
)
_STEP = 0.01  # of the threshold; left where the model's own is, it follows the model
_LOOK_EVERY = 0.25  # seconds between two looks at a calibration


@st.fragment(key=CONTROLS)
def controls(live: LiveSession) -> None:
    """Settings that hold from the next frame on, without reconnecting; folded up while the game is shown, so that on a
    narrow screen it stands right under the picture."""
    folded = shows_game()
    with st.expander("Settings", icon=":material/tune:") if folded else st.container(border=True):
        _sensitivity(live)
        _settings(live)
        _actions(live)
        _calibration(live)


def _sensitivity(live: LiveSession) -> None:
    """The slider; not in a fragment of its own, since a change moves the threshold and ends a calibration."""
    model = state_of(WebcamState).model
    sensitivity_slider(model)
    live.use(sensitive_classifier(model))


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
    model = state_of(WebcamState).model
    classifier = sensitive_classifier(model)
    own = classifier.abstain_below
    threshold = st.slider(
        str(fields["abstain_below"].title),
        0.0,
        1.0,
        own if current.abstain_below is None else current.abstain_below,
        _STEP,
        help=f"{fields['abstain_below'].description} {plain(model)}'s own threshold is {own:.2f}.",
        key=f"live_threshold_{model}_{classifier.sensitivity:g}",
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
                "abstain_below": None if abs(threshold - own) < _STEP / 2 else threshold,
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
            path = live.snapshot(session.workspace())
            st.success(f"Saved as {plain(path)}.", icon=":material/check:")
    recording = live.recording
    if recording is None:
        if right.button("Record", icon=":material/fiber_manual_record:", width="stretch", key="live_record"):
            with calm("starting the recording"):
                live.start_recording(session.workspace())
            st.rerun(scope="fragment")
    elif right.button("Stop recording", icon=":material/stop:", width="stretch", key="live_record_stop"):
        saved = live.stop_recording()
        session.notify(f"Recorded {saved}." if saved else "Nothing was recorded: no picture came.")
        st.rerun(scope="fragment")
    if live.recording is not None:
        st.caption(f":material/fiber_manual_record: Recording to {plain(live.recording.name)}, with a csv beside it.")
    notice = session.take_notice()
    if notice:
        st.success(plain(notice), icon=":material/check:")


def _calibration(live: LiveSession) -> None:
    """Calibrate to me: the button, the two seconds, and what they changed."""
    show_complaint()
    if live.neutral_baseline.running:
        st.fragment(_taking, run_every=_LOOK_EVERY)(live)
        return
    now = live.neutral_baseline
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Calibrate to me",
            icon=":material/face:",
            help=_CALIBRATION,
            width="stretch",
            key="live_calibrate",
            on_click=calmly(live.record_neutral_baseline),
        )
        if now.result is not None:
            st.button(
                "Reset",
                icon=":material/undo:",
                width="stretch",
                key="live_calibration_reset",
                on_click=live.clear_neutral_baseline,
            )
    if now.note:
        st.warning(plain(now.note), icon=":material/warning:")
    if now.result is not None:
        st.caption(f":material/check: {plain(now.result.summary())}")


def _taking(live: LiveSession) -> None:
    """Looks at the two seconds; when they are over the page is drawn anew, which ends these looks."""
    now = live.neutral_baseline
    if not now.running:
        st.rerun()
    st.progress(now.share, text="Look into the camera with a relaxed face…")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Cancel", icon=":material/close:", key="live_calibration_cancel", on_click=live.cancel_neutral_baseline
        )
        st.caption(plain(now.note))
