"""Cameras that run at once on a shared server, and which of them nobody sits in front of.

A camera is a slot that a live view of a browser window holds while its frames arrive. Slots are kept in memory: no camera
outlives the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from fer_core.errors import LimitError
from fer_core.formatting import counted
from fer_core.serve.settings import ServeSettings

CONNECTING: Final = 60.0
"""Seconds a camera may take until its first frame."""
SILENCE: Final = 15.0
"""Seconds without a frame after which a camera counts as gone: its window crashed or lost its connection."""


class Watched(Protocol):
    """What a camera shows, such as :class:`fer_core.live.LiveSession`; times on the monotonic clock."""

    @property
    def last_frame(self) -> float | None:
        """Time of the newest frame."""

    @property
    def last_face(self) -> float | None:
        """Time of the newest frame with a face."""


@dataclass(frozen=True, slots=True)
class _Camera:
    user: str
    taken: float
    watched: Watched

    def silent_since(self) -> float | None:
        """Time of the newest frame since the slot was taken; None before the first."""
        frame = self.watched.last_frame
        return frame if frame is not None and frame >= self.taken else None

    def empty_since(self) -> float:
        """Time of the newest face, or at which the slot was taken."""
        return max(self.taken, self.watched.last_face or self.taken)


class Cameras:
    """The cameras of one server process; thread-safe.

    Args:
        clock: the monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cameras: dict[str, _Camera] = {}

    def require(self, window: str, settings: ServeSettings) -> None:
        """Refuse if this window could not start its camera now.

        Args:
            window: names a live view of a browser window.
            settings: the settings of the server.

        Raises:
            LimitError: all slots are taken by others.
        """
        with self._lock:
            self._drop_gone()
            if window not in self._cameras and len(self._cameras) >= settings.cameras:
                raise LimitError(_refusal(settings.cameras))

    def take(self, window: str, user_key: str, watched: Watched, settings: ServeSettings) -> None:
        """Take a slot, or keep the one this window has.

        Raises:
            LimitError: all slots are taken by others.
        """
        with self._lock:
            self._drop_gone()
            if window in self._cameras:
                return
            if len(self._cameras) >= settings.cameras:
                raise LimitError(_refusal(settings.cameras))
            self._cameras[window] = _Camera(user_key, self._clock(), watched)

    def is_idle(self, window: str, settings: ServeSettings) -> bool:
        """Whether a window's camera has shown no face for as long as the settings allow."""
        with self._lock:
            camera = self._cameras.get(window)
            return camera is not None and self._clock() - camera.empty_since() >= 60 * settings.idle_camera_minutes

    def has_slot(self, window: str) -> bool:
        """Whether a window has a slot; one that sent no frame for too long has lost it."""
        with self._lock:
            self._drop_gone()
            return window in self._cameras

    def release(self, window: str) -> None:
        """Release a slot; does nothing without one."""
        with self._lock:
            self._cameras.pop(window, None)

    def count(self, user_key: str | None = None) -> int:
        """Return the number of cameras in use, of one user or of all."""
        with self._lock:
            self._drop_gone()
            return sum(user_key in (None, camera.user) for camera in self._cameras.values())

    def _drop_gone(self) -> None:
        now = self._clock()
        for window, camera in list(self._cameras.items()):
            silent = camera.silent_since()
            if now - camera.taken > CONNECTING if silent is None else now - silent > SILENCE:
                del self._cameras[window]


def _refusal(cameras: int) -> str:
    if not cameras:
        return "Cameras are turned off on this server. Use photos or a video on the Upload page."
    busy = "The only camera slot" if cameras == 1 else f"All {counted(cameras, 'camera slot')}"
    return f"{busy} of this server {'is' if cameras == 1 else 'are'} taken. Try again in a few minutes, or use Upload."
