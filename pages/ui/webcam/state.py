"""State of the Webcam page in a browser window."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.live.state import LiveState


@dataclass
class WebcamState(LiveState):
    """State of the Webcam page: its live view."""
