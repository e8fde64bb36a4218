"""A fake camera for Chromium: a clip of drawn faces that the detector finds, with moments without one.

Each frame carries its number as a row of black and white blocks along the upper edge (:func:`numbered`), so that a
program can tell which frame it sees; the annotations of the live view do not reach there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from fer_core.classes import ClassList
from fer_core.data.synthetic import draw_face

WIDTH, HEIGHT, RATE = 640, 480, 30
EMOTIONS = ("happy", "surprise")
BITS = 14
"""Blocks for the number, highest first, after a white and before a black one: the picture may be mirrored."""
BLOCK = WIDTH // (BITS + 2)
STRIPE = 16  # pixels of height


def camera_flags(clip: Path) -> list[str]:
    """Flags that make Chromium take ``clip`` for its camera and let a page connect to its own machine."""
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
        "--allow-loopback-in-peer-connection",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ]


def numbered(frame: np.ndarray, number: int) -> np.ndarray:
    """A copy of a gray frame (480, 640) with its number written into the upper edge."""
    blocks = [1, *(number >> bit & 1 for bit in reversed(range(BITS))), 0]
    copy = frame.copy()
    copy[:STRIPE] = np.repeat(np.array(blocks, np.uint8), BLOCK) * 219 + 16
    return copy


def faces_clip(path: Path, seconds: float = 4.0) -> Path:
    """Write a y4m clip: two faces that sway, and half a second without any, again and again."""
    rng = np.random.default_rng(3)
    faces = [draw_face(emotion, rng, size=240) for emotion in EMOTIONS]
    total = round(seconds * RATE)

    def frames() -> Iterator[np.ndarray]:
        for step in range(total):
            canvas = np.full((HEIGHT, WIDTH), 96, np.uint8)
            if step < total - RATE // 2:
                for index, face in enumerate(faces):
                    x = round(40 + 310 * index + 12 * np.sin(step / 11 + index))
                    y = round(110 + 8 * np.cos(step / 9 + index))
                    canvas[y : y + 240, x : x + 240] = face
            yield canvas

    return _write(path, (numbered(frame, number) for number, frame in enumerate(frames())), RATE)


def player_clip(path: Path, seconds_each: float = 0.7, rate: int = 10) -> Path:
    """Write a y4m clip: one face, never away, that makes one expression after the other. Small and slow, since it is for
    what happens and not for how fast."""
    rng = np.random.default_rng(5)
    faces = [draw_face(emotion, rng, size=140) for emotion in ClassList.fer2013()]

    def frames() -> Iterator[np.ndarray]:
        for face in faces:
            canvas = np.full((240, 320), 96, np.uint8)
            canvas[50:190, 90:230] = face
            for _ in range(round(seconds_each * rate)):
                yield canvas

    return _write(path, frames(), rate)


def portrait_clip(path: Path, rate: int = 15) -> Path:
    """Write a y4m clip of an upright phone, 480×640: one face that sways, and white corners that show any crop."""
    face = draw_face("happy", np.random.default_rng(3), size=240)

    def frames() -> Iterator[np.ndarray]:
        for step in range(2 * rate):
            canvas = np.full((640, 480), 96, np.uint8)
            x, y = round(120 + 10 * np.sin(step / 5)), round(200 + 8 * np.cos(step / 5))
            canvas[y : y + 240, x : x + 240] = face
            for rows in (slice(None, 40), slice(-40, None)):
                canvas[rows, :40] = canvas[rows, -40:] = 235
            yield canvas

    return _write(path, frames(), rate)


def still_clip(path: Path, emotion: str, rate: int = 10) -> Path:
    """Write a y4m clip: one face that keeps one expression."""
    canvas = np.full((240, 320), 96, np.uint8)
    canvas[50:190, 90:230] = draw_face(emotion, np.random.default_rng(11), size=140)
    return _write(path, (canvas for _ in range(rate)), rate)


def _write(path: Path, frames: Iterable[np.ndarray], rate: int) -> Path:
    """Grey frames (H, W), all of one size, as a y4m file."""
    waiting = iter(frames)
    first = next(waiting)
    size = f"{first.shape[1]}x{first.shape[0]}"
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", size]
    command += ["-r", str(rate), "-i", "-", "-pix_fmt", "yuv420p", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for frame in chain([first], waiting):
            ffmpeg.stdin.write(frame.tobytes())
    if ffmpeg.returncode:
        raise RuntimeError(f"ffmpeg failed with status {ffmpeg.returncode}")
    return path
