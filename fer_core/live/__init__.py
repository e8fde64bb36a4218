"""Watching faces live: ``LiveProcessor(classifier).process(frame) -> FrameResult``."""

from fer_core.live.calibration import Calibration
from fer_core.live.game import Game, Round, Scene, photo_strip
from fer_core.live.processor import FrameResult, LiveFace, LiveProcessor, Meter, Rates
from fer_core.live.session import LiveSession, frames_callback

__all__ = [
    "Calibration", "FrameResult", "Game", "LiveFace", "LiveProcessor", "LiveSession", "Meter", "Rates", "Round", "Scene",
    "frames_callback", "photo_strip",
]  # fmt: skip
