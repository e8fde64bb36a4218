"""What the Webcam page adds to the live view: the sample while the camera is off, and the side panel."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.live import LiveSession
from pages.ui.live.camera import read_out
from pages.ui.model.sample import annotated_sample
from pages.ui.shell.session import state_of
from pages.ui.webcam.game import BESIDE, game, shows_game
from pages.ui.webcam.state import WebcamState

_SAMPLE: Final = "two-portraits.jpg"


def invitation() -> None:
    """Draw a sample of the live view and how to start, while the camera is off."""
    sample = annotated_sample(_SAMPLE, state_of(WebcamState).model, bars=True)
    st.image(sample.image, alt=sample.description, width="stretch")
    st.markdown(
        "**Press START to see your own expression.** The browser asks once for permission to use the camera. "
        "Every face gets a number, a label and its probabilities, as in this sample."
    )


@st.fragment(key=BESIDE)
def beside(live: LiveSession) -> None:
    """Draw the side panel: statistics and faces, or the game."""
    if shows_game():
        game(live)
    else:
        read_out(live, state_of(WebcamState))
