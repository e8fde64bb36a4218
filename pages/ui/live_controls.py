"""The settings of the live view and what can be done with its picture; all hold at once, without reconnecting."""

from __future__ import annotations

import streamlit as st

from fer_core.config import LiveConfig
from fer_core.live import LiveSession
from fer_core.workspace import Workspace
from pages.ui import resources, state
from pages.ui.errors import calm
from pages.ui.text import plain

_STEP = 0.01  # of the threshold; left where the model's own is, it follows the model


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
    model = state.live_model()
    own = resources.classifier(model).info.abstain_below
    threshold = st.slider(
        str(fields["abstain_below"].title),
        0.0,
        1.0,
        own if current.abstain_below is None else current.abstain_below,
        _STEP,
        help=f"{fields['abstain_below'].description} {model}'s own threshold is {own:.2f}.",
        key=f"live_threshold_{model}",
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
