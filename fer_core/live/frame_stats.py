"""Frame rate, latency and dropped frames of a live view, over the last few seconds."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class FrameStats:
    """Frame rate and latency of a live view.

    Attributes:
        received, shown: frames per second over the last few seconds.
        dropped: frames skipped since the start because a newer one had arrived.
        latency_ms: median milliseconds from the arrival of a frame to its annotated result, over the last few seconds.
        stages: median milliseconds of each stage.
        faces: number of faces in the newest frame.
    """

    received: float
    shown: float
    dropped: int
    latency_ms: float
    stages: dict[str, float]
    faces: int


class FrameStatsRecorder:
    """Counts and times frames. Thread-safe; stores only the last few seconds.

    Args:
        seconds: length of the time window.
    """

    def __init__(self, seconds: float = 3.0) -> None:
        self._seconds = seconds
        self._received: deque[float] = deque(maxlen=1000)
        self._shown: deque[tuple[float, float, dict[str, float]]] = deque(maxlen=1000)
        self._dropped = 0
        self._faces = 0
        self._lock = threading.Lock()

    def arrived(self, time: float, dropped: int = 0) -> None:
        """Record the arrival of a frame at ``time``, which replaced ``dropped`` older ones."""
        with self._lock:
            self._received.extend([time] * (1 + dropped))
            self._dropped += dropped

    def finished(self, arrived: float, time: float, stages: dict[str, float], faces: int) -> None:
        """Record that the frame that arrived at ``arrived`` was ready at ``time``."""
        with self._lock:
            self._shown.append((time, 1000 * (time - arrived), stages))
            self._faces = faces

    def stats(self, now: float) -> FrameStats:
        """Statistics over the last few seconds before ``now``."""
        with self._lock:
            received = [t for t in self._received if now - t <= self._seconds]
            shown = [entry for entry in self._shown if now - entry[0] <= self._seconds]
            names = shown[-1][2] if shown else {}
            return FrameStats(
                received=_rate(received),
                shown=_rate([entry[0] for entry in shown]),
                dropped=self._dropped,
                latency_ms=float(np.median([entry[1] for entry in shown])) if shown else 0.0,
                stages={name: float(np.median([entry[2].get(name, 0.0) for entry in shown])) for name in names},
                faces=self._faces if shown else 0,
            )


def _rate(times: list[float]) -> float:
    """Frames per second: (n − 1) / (last − first)."""
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
