"""Live facial expression recognition: ``LiveProcessor(classifier).process(frame) -> FrameResult``."""

from fer_core.live.frame_stats import FrameStats, FrameStatsRecorder
from fer_core.live.game import Game, GameState, Round, photo_strip
from fer_core.live.neutral_baseline import NeutralBaseline
from fer_core.live.processor import FrameResult, LiveFace, LiveProcessor
from fer_core.live.session import LiveSession, frames_callback
from fer_core.live.takes import RecordedTake, TakeRecorder, TakeState

__all__ = [
    "FrameResult", "FrameStats", "FrameStatsRecorder", "Game", "GameState", "LiveFace", "LiveProcessor", "LiveSession",
    "NeutralBaseline", "RecordedTake", "Round", "TakeRecorder", "TakeState", "frames_callback", "photo_strip",
]  # fmt: skip
