"""How often each user may do something: a sliding window per user and kind, kept in memory."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

from fer_core.errors import RateError
from fer_core.formatting import counted, duration
from fer_core.serve.settings import ServeSettings

Action = Literal["upload", "prediction", "training"]
"""What is counted."""

_WINDOWS: Final[dict[Action, tuple[float, str]]] = {
    "upload": (60.0, "minute"),
    "prediction": (60.0, "minute"),
    "training": (3600.0, "hour"),
}
"""Length of the window in seconds, and its name."""
_SWEEP: Final = 1000  # windows kept before those without events are dropped


class RateLimits:
    """The actions of the users of one server process; thread-safe.

    Args:
        clock: seconds that never go backwards, unlike the time of day.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[tuple[str, Action], deque[float]] = {}

    def require(self, user_key: str, action: Action, settings: ServeSettings) -> None:
        """Count an action, or refuse it; what is refused does not count.

        Raises:
            RateError: the user did this too often; the message says when it is allowed again.
        """
        seconds, name = _WINDOWS[action]
        most = _most(action, settings)
        with self._lock:
            now = self._clock()
            times = self._times.setdefault((user_key, action), deque())
            while times and now - times[0] >= seconds:
                times.popleft()
            if len(times) < most:
                times.append(now)
                self._sweep(now)
                return
            left = seconds - (now - times[len(times) - most])
        raise RateError(
            f"At most {counted(most, action)} per {name} {'is' if most == 1 else 'are'} allowed on this server. "
            f"Try again in {duration(max(1.0, math.ceil(left)))}.",
            max(0.0, left),
        )

    def _sweep(self, now: float) -> None:
        if len(self._times) <= _SWEEP:
            return
        for key in [key for key, times in self._times.items() if not times or now - times[-1] >= _WINDOWS[key[1]][0]]:
            del self._times[key]


def _most(action: Action, settings: ServeSettings) -> int:
    return {
        "upload": settings.uploads_per_minute,
        "prediction": settings.predictions_per_minute,
        "training": settings.trainings_per_hour,
    }[action]
