"""Records takes from the live view: a countdown, four seconds, one face kept every tenth of a second.

The media thread calls ``frame``, the page's threads everything else. Nothing is written: the page fetches a finished take.
"""

from __future__ import annotations

import threading
import time as clock
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from fer_core.annotate.text import draw_text, text_size
from fer_core.errors import FerError
from fer_core.faces.boxes import Box

COUNTDOWN: Final = 3.0
"""Seconds between the button and the first frame that can be kept."""
SECONDS: Final = 4.0
"""Length of a take in seconds."""
KEEP_EVERY: Final = 0.1
"""Seconds between two kept faces: neighboring frames are almost equal."""
SILENCE: Final = 2.5
"""Seconds without a frame after which the camera counts as off."""
SHOWN: Final = 10
"""Kept faces in a snapshot of a running take."""
_KEPT_COLOR: Final = (0, 158, 115)
_REFUSED_COLOR: Final = (230, 159, 0)
_WAITING_COLOR: Final = (255, 255, 255)

Image = npt.NDArray[np.uint8]
Phase = Literal["idle", "countdown", "recording"]


class JudgedFrame(Protocol):
    """What a judge says about a frame: the face to keep, or why there is none."""

    @property
    def image(self) -> Image | None:
        """The face, uint8 (48, 48), or None."""

    @property
    def reason(self) -> str | None:
        """Why no face is kept, such as ``no face``; None if one is."""

    @property
    def box(self) -> Box | None:
        """Left, top, width, height of the face in pixels of the frame; None without one."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTake:
    """A finished take.

    Attributes:
        class_name: what it shows.
        faces: uint8 (N, 48, 48), in order of time, N ≥ 1.
        left_out: reason -> number of moments at which no face was kept.
        note: why the take is shorter than planned; empty if it is not.
    """

    class_name: str
    faces: Image
    left_out: Mapping[str, int]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TakeState:
    """Snapshot of the recorder.

    Attributes:
        phase: waiting, counting down or recording.
        class_name: class of the current take; empty while waiting.
        left: remaining seconds of this phase; 0 while waiting.
        kept: faces kept in this take.
        faces: the newest kept faces, each uint8 (48, 48), at most :data:`SHOWN`.
        coming: whether the camera sends frames.
        reason: why the newest frame has no face to keep; None if it has one, and before the first frame.
        note: how the last take ended, if not as planned; empty otherwise.
    """

    phase: Phase = "idle"
    class_name: str = ""
    left: float = 0.0
    kept: int = 0
    faces: tuple[Image, ...] = ()
    coming: bool = False
    reason: str | None = None
    note: str = ""


@dataclass(slots=True)
class _Running:
    """The take being counted down or recorded; times on the monotonic clock."""

    class_name: str
    begins: float
    ends: float
    next_moment: float
    faces: list[Image] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


class TakeRecorder:
    """Judges and draws every frame, and keeps the faces of a take. Thread-safe.

    Args:
        judge: decides what is kept of a frame, uint8 RGB (H, W, 3); called in the media thread.
    """

    def __init__(self, judge: Callable[[Image], JudgedFrame]) -> None:
        self._judge = judge
        self._lock = threading.Lock()  # guards the fields below; never held while a frame is judged
        self._running: _Running | None = None
        self._finished: list[RecordedTake] = []
        self._last_frame: float | None = None
        self._reason: str | None = None
        self._sees_face = False
        self._note = ""

    def record(self, class_name: str) -> None:
        """Start the countdown of a take.

        Raises:
            FerError: another take is running, or the camera is off.
        """
        now = clock.monotonic()
        with self._lock:
            if self._running is not None:
                raise FerError("A take is being recorded. Wait until it ends, or cancel it.")
            if not self._coming(now):
                raise FerError("The camera is off. Press START, then record a take.")
            begins = now + COUNTDOWN
            self._running = _Running(class_name, begins, begins + SECONDS, begins)
            self._note = ""

    def cancel(self) -> None:
        """Discard the running take; does nothing without one."""
        with self._lock:
            self._running = None

    def frame(self, rgb: Image, time: float, *, mirror: bool = False) -> Image:
        """Judge one frame and keep its face if a take is running.

        Args:
            rgb: uint8 RGB (H, W, 3); never changed.
            time: time of the frame on the monotonic clock.
            mirror: flip the drawn picture horizontally; faces are kept unflipped.

        Returns:
            A copy with the face's box and the progress of the take.
        """
        found = self._judge(rgb)
        with self._lock:
            self._last_frame, self._reason = time, found.reason
            self._sees_face = found.box is not None
            running = self._running
            recording = running is not None and time >= running.begins
            if running is not None and recording:
                self._keep(running, found, time)
                if time >= running.ends:
                    self._end()
            left = None if running is None or recording else running.begins - time
            kept = len(running.faces) if running is not None and recording else None
        return _draw(rgb, found, mirror=mirror, left=left, kept=kept)

    def _keep(self, running: _Running, found: JudgedFrame, time: float) -> None:
        if time < running.next_moment or time >= running.ends:
            return
        running.next_moment = max(running.next_moment + KEEP_EVERY, time + KEEP_EVERY / 2)
        if found.image is not None:
            running.faces.append(found.image)
        else:
            running.left_out[found.reason or "unreadable"] += 1

    def _end(self, note: str = "") -> None:
        """End the running take: it is finished if a face was kept."""
        running, self._running = self._running, None
        if running is None:
            return
        if running.faces:
            self._finished.append(RecordedTake(running.class_name, np.stack(running.faces), running.left_out, note))
            self._note = note
        else:
            why = ", ".join(running.left_out) or "no frame arrived"
            self._note = note or f"No face was kept ({why}). Record the take again."

    def stop(self) -> None:
        """Handle the end of the camera stream: what a running take has kept becomes a shorter take."""
        with self._lock:
            self._break_off(clock.monotonic())
            self._last_frame, self._reason = None, None

    def _break_off(self, now: float) -> None:
        running = self._running
        if running is None:
            return
        if running.faces:
            last = now if self._last_frame is None else self._last_frame
            self._end(f"The camera stopped after {last - running.begins:.1f} of {SECONDS:.0f} seconds.")
        else:
            self._end("The camera stopped before a face was kept. Press START, then record the take again.")

    def state(self) -> TakeState:
        """Take a snapshot; ends the take if the camera has gone silent."""
        now = clock.monotonic()
        with self._lock:
            coming = self._coming(now)
            if not coming and self._last_frame is not None:
                self._break_off(now)
            running = self._running
            reason = self._reason if coming else None
            if running is None:
                return TakeState(coming=coming, reason=reason, note=self._note)
            phase: Phase = "countdown" if now < running.begins else "recording"
            left = (running.begins if phase == "countdown" else running.ends) - now
            newest = tuple(running.faces[-SHOWN:])
            return TakeState(
                phase, running.class_name, max(0.0, left), len(running.faces), newest, coming, reason, self._note
            )

    @property
    def sees_face(self) -> bool:
        """Whether the newest frame shows a face, to be kept or not."""
        return self._sees_face

    def _coming(self, now: float) -> bool:
        return self._last_frame is not None and now - self._last_frame <= SILENCE

    def finished(self) -> RecordedTake | None:
        """Hand out the oldest finished take, once; None without one."""
        with self._lock:
            return self._finished.pop(0) if self._finished else None


def _draw(rgb: Image, found: JudgedFrame, *, mirror: bool, left: float | None, kept: int | None) -> Image:
    """Draw the face's box, the seconds of a countdown, or a frame around the picture while a take is recorded."""
    import cv2

    drawn = np.asarray(cv2.flip(rgb, 1), np.uint8) if mirror else rgb.copy()
    height, width = drawn.shape[:2]
    unit = max(1, round(min(width, height) / 240))
    good = found.reason is None
    color = (_KEPT_COLOR if good else _REFUSED_COLOR) if kept is not None else _WAITING_COLOR
    if found.box is not None:
        x, y, w, h = (round(v) for v in found.box)
        x = width - x - w if mirror else x
        cv2.rectangle(drawn, (x, y), (x + w, y + h), (0, 0, 0), unit + 2)
        cv2.rectangle(drawn, (x, y), (x + w, y + h), color, unit)
    if kept is not None:
        border = 4 * unit
        cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), color, 2 * border)
        _label(drawn, f"{kept} kept" if good else f"{kept} kept, now {found.reason}", border, color, unit)
    elif left is not None:
        _big(drawn, str(max(1, -int(-left // 1))), unit)
    return drawn


def _label(image: Image, text: str, border: int, color: tuple[int, int, int], unit: int) -> None:
    """Write a line into the upper left corner, inside the border."""
    import cv2

    scale = 0.28 * unit + 0.22
    width, height, base = text_size(text, scale, unit)
    right, bottom = border + width + 4 * unit, border + height + base + 4 * unit
    cv2.rectangle(image, (border, border), (right, bottom), color, -1)
    draw_text(
        image, text, (border + 2 * unit, border + 2 * unit + height), scale=scale, color=(0, 0, 0), thickness=unit
    )


def _big(image: Image, text: str, unit: int) -> None:
    """Write a large number with a dark edge near the top."""
    scale = 2.2 * unit
    width, height, _ = text_size(text, scale, 4 * unit)
    origin = ((image.shape[1] - width) // 2, height + 10 * unit)
    draw_text(image, text, origin, scale=scale, color=(0, 0, 0), thickness=7 * unit)
    draw_text(image, text, origin, scale=scale, color=(255, 255, 255), thickness=3 * unit)
