"""What the board of a take says while it waits, counts down and records."""

from __future__ import annotations

import numpy as np

from fer_core.live import TakeState
from pages.ui.components.take_board import board_data

FACE = np.full((48, 48), 90, np.uint8)
ADVICE = {"blurred": "The face is blurred; hold still."}


def said(state: TakeState, *, playing: bool = True) -> dict[str, object]:
    return board_data(state, "#0072B2", ADVICE, playing=playing)


def test_a_waiting_board_says_what_the_camera_shows():
    assert said(TakeState(), playing=False)["hint"] == "Press START under the picture to turn the camera on."
    assert said(TakeState())["hint"] == "The camera sends no frames. Press STOP, then START."
    ready = said(TakeState(coming=True))
    assert (ready["hint"], ready["good"], ready["title"]) == ("One sharp face. Ready to record.", True, "")
    blurred = said(TakeState(coming=True, reason="blurred"))
    assert (blurred["hint"], blurred["good"]) == (ADVICE["blurred"], False)
    assert said(TakeState(coming=True, reason="too dark"))["hint"] == "Not kept: too dark."


def test_a_running_board_says_the_class_the_seconds_and_the_faces():
    counting = said(TakeState("countdown", "smile", 2.2, coming=True))
    assert (counting["title"], counting["left"], counting["count"]) == ("Get ready: smile in 3 s", 0.733, "")
    running = said(TakeState("recording", "smile", 1.0, 31, (FACE, FACE), coming=True))
    assert (running["title"], running["left"]) == ("Keep showing smile: 1 s", 0.25)
    assert (running["count"], len(running["faces"]), running["hint"]) == ("31 faces kept", 2, "")
    assert said(TakeState("recording", "smile", 3.0, 1, (FACE,), coming=True))["count"] == "1 face kept"
