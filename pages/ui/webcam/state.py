"""What the Webcam page remembers for a browser window."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from fer_core.live import LiveSession

_CHANGED_MIND: Final = 5.0  # seconds after START in which STOP is no failure


@dataclass(frozen=True, slots=True)
class Camera:
    """What the camera's connection does.

    Attributes:
        playing: it is on.
        since: when it was switched on or began to connect, on the monotonic clock; None while it is off.
        frames: frames the live session had shown by then.
        failed: the last attempt ended without a frame, and not because somebody changed their mind at once.
    """

    playing: bool = False
    since: float | None = None
    frames: int = 0
    failed: bool = False


@dataclass
class WebcamState:
    """The state of the Webcam page.

    Attributes:
        live: this window's live session, kept over reruns and page changes; None until the page is opened first.
        model: name of the model that the page works with.
        camera: what the camera's connection does.
    """

    live: LiveSession | None = None
    model: str = ""
    camera: Camera = field(default_factory=Camera)

    def note_camera(self, *, playing: bool, busy: bool, frames: int) -> None:
        """What the connection does now: on; on or connecting; and how many frames were shown so far."""
        before, now = self.camera, time.monotonic()
        if busy:
            since = before.since if before.since is not None else now
            shown = before.frames if before.since is not None else frames
            self.camera = Camera(playing, since, shown)
        elif before.since is not None:
            failed = frames == before.frames and now - before.since > _CHANGED_MIND
            self.camera = Camera(failed=failed)
