"""State of a live view in a browser window."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final

from fer_core.live import LiveSession

_CHANGED_MIND: Final = 5.0  # seconds after START in which STOP is not a failure


@dataclass(frozen=True, slots=True)
class Camera:
    """State of the camera connection.

    Attributes:
        playing: whether the video plays.
        since: monotonic time at which it started to connect; None if it is off.
        frames: frames of the live session at that time.
        failed: the last attempt ended without a frame, and was not stopped right away.
    """

    playing: bool = False
    since: float | None = None
    frames: int = 0
    failed: bool = False


@dataclass
class LiveState:
    """State of a page's live view; each page with a camera has a subclass of its own.

    Attributes:
        KEY: key of the video element.
        live: live session of this window, across reruns and page changes; None before the first visit.
        model: name of the model in use.
        camera: state of the camera connection.
        window: names this live view among all of the server.
        idle: the camera was closed because nobody sat in front of it.
    """

    KEY: ClassVar[str] = "camera"
    live: LiveSession | None = None
    model: str = ""
    camera: Camera = field(default_factory=Camera)
    window: str = field(default_factory=partial(secrets.token_hex, 16))
    idle: bool = False

    def note_camera(self, *, playing: bool, busy: bool, frames: int) -> None:
        """Update the connection state: playing; playing or connecting; and the number of frames so far."""
        before, now = self.camera, time.monotonic()
        if busy:
            since = before.since if before.since is not None else now
            shown = before.frames if before.since is not None else frames
            self.camera = Camera(playing, since, shown)
        elif before.since is not None:
            failed = frames == before.frames and now - before.since > _CHANGED_MIND
            self.camera = Camera(failed=failed)
