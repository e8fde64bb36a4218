"""Watching faces live: ``LiveProcessor(classifier).process(frame) -> FrameResult``."""

from fer_core.live.overlay import draw
from fer_core.live.processor import FrameResult, LiveFace, LiveProcessor, Meter, Rates

__all__ = ["FrameResult", "LiveFace", "LiveProcessor", "Meter", "Rates", "draw"]
