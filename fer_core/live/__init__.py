"""Watching faces live: ``LiveProcessor(classifier).process(frame) -> FrameResult``."""

from fer_core.live.overlay import draw
from fer_core.live.processor import FrameResult, LiveFace, LiveProcessor, Meter, Rates
from fer_core.live.session import LiveSession, frames_callback

__all__ = ["FrameResult", "LiveFace", "LiveProcessor", "LiveSession", "Meter", "Rates", "draw", "frames_callback"]
