"""The controls of the live view; each takes effect from the next frame, without reconnecting."""

from __future__ import annotations

import streamlit as st

from fer_core.config import LiveConfig
from fer_core.live import LiveSession
from fer_core.serve.quota import RECORDING_BYTES
from pages.ui.live.state import LiveState
from pages.ui.model.sensitivity import sensitive_classifier, sensitivity_slider
from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary, guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits import limits

_BASELINE = (
    "Some resting faces score as sad or angry. Look into the camera alone with a relaxed face for two seconds: FER Lab "
    "then subtracts the scores (logits) of your resting face for every face in this view and its recordings. The network "
    "is not trained, and Upload is not affected. Reset or another model ends it. For classes of your own, use "
    "Teach."
)
_SNAPSHOT_BYTES = 2 * 10**6
_STEP = 0.01  # of the threshold; the model's own value follows the model
_LOOK_EVERY = 0.25  # seconds between two polls of the neutral baseline


@st.fragment(key="live-controls")
def controls(live: LiveSession, state: LiveState) -> None:
    """Draw one row under the video: actions, sensitivity and settings."""
    show_pending_error()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="webcam-controls"):
        saved = _snapshot(live)
        _recording(live)
        _baseline(live)
        _sensitivity(live, state)
        with st.popover("Settings", icon=":material/tune:"):
            _settings(live, state)
    if saved:
        st.success(saved, icon=":material/check:")
    _messages(live)


def _sensitivity(live: LiveSession, state: LiveState) -> None:
    """Draw the slider; no separate fragment, because a change moves the threshold and removes a neutral baseline."""
    sensitivity_slider(state.model, compact=True)
    live.use(sensitive_classifier(state.model))


@st.fragment
def _settings(live: LiveSession, state: LiveState) -> None:
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
    model = state.model
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


def _snapshot(live: LiveSession) -> str | None:
    """Draw the button; returns a message if it was just pressed."""
    if st.button("Snapshot", icon=":material/photo_camera:", key="live_snapshot"):
        with error_boundary("saving the snapshot"):
            limits().require_space(_SNAPSHOT_BYTES, what="the snapshot")
            return f"Saved as {plain(live.snapshot(session.workspace()))}."
    return None


def _recording(live: LiveSession) -> None:
    if live.recording is None:
        if st.button("Record", icon=":material/fiber_manual_record:", key="live_record"):
            with error_boundary("starting the recording"):
                now = limits()
                now.require_space(RECORDING_BYTES, 2, what="a recording")
                live.start_recording(session.workspace(), most_bytes=now.space_left())
                now.services.recordings.add(live)
                st.rerun(scope="fragment")
    elif st.button("Stop recording", icon=":material/stop:", key="live_record_stop"):
        saved = live.stop_recording()
        session.notify(f"Recorded {saved}." if saved else "Nothing was recorded: no frame arrived.")
        st.rerun(scope="fragment")


def _baseline(live: LiveSession) -> None:
    """Draw the button of the neutral baseline, and Reset if there is one."""
    now = live.neutral_baseline
    st.button(
        "Neutral baseline",
        icon=":material/face:",
        help=_BASELINE,
        key="live_neutral_baseline",
        on_click=guarded(live.record_neutral_baseline),
        disabled=now.running,
    )
    if now.result is not None and not now.running:
        st.button(
            "Reset", icon=":material/undo:", key="live_neutral_baseline_reset", on_click=live.clear_neutral_baseline
        )


def _messages(live: LiveSession) -> None:
    """Draw the results of the buttons."""
    if live.recording is not None:
        st.caption(f":material/fiber_manual_record: Recording to {plain(live.recording.name)}, with a csv next to it.")
    if notice := session.pop_notice():
        st.success(plain(notice), icon=":material/check:")
    now = live.neutral_baseline
    if now.running:
        st.fragment(_baseline_progress, run_every=_LOOK_EVERY)(live)
        return
    if now.note:
        st.warning(plain(now.note), icon=":material/warning:")
    if now.result is not None:
        st.caption(f":material/check: {plain(now.result.summary())}")


def _baseline_progress(live: LiveSession) -> None:
    """Draw the progress of a neutral baseline; reruns the page at its end, which stops the polling."""
    now = live.neutral_baseline
    if not now.running:
        st.rerun()
    st.progress(now.share, text="Look into the camera with a relaxed face…")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Cancel", icon=":material/close:", key="live_neutral_baseline_cancel", on_click=live.cancel_neutral_baseline
        )
        st.caption(plain(now.note))
