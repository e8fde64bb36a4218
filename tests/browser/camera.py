"""A fake camera for Chromium: a clip of drawn faces that the detector finds, with moments without one.

Each frame carries its number as a row of black and white blocks along the upper edge (:func:`numbered`), so that a
program can tell which frame it sees; the annotations of the live view do not reach there.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_core.classes import ClassList
from fer_core.data.synthetic import draw_face
from fer_core.images import encode
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, BrowserType

WIDTH, HEIGHT, RATE = 640, 480, 30
EMOTIONS = ("happy", "surprise")
BITS = 14
"""Blocks for the number, highest first, after a white and before a black one: the picture may be mirrored."""
BLOCK = WIDTH // (BITS + 2)
STRIPE = 16  # pixels of height


LOOPBACK_FLAGS = [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
"""Flags that let a page use a camera and connect to its own machine."""


def camera_flags(clip: Path) -> list[str]:
    """Flags that make Chromium take ``clip`` for its camera and let a page connect to its own machine."""
    return [*LOOPBACK_FLAGS, f"--use-file-for-fake-video-capture={clip}"]


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


WOUND_CAMERA = """
(() => {
  let frames = [], step = 0;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 480];
  const context = canvas.getContext("2d");
  setInterval(() => { if (frames.length) context.drawImage(frames[step++ % frames.length], 0, 0); }, 66);
  window.ferPlay = async (jpegs) => {
    frames = await Promise.all(jpegs.map(async (jpeg) => {
      const image = new Image();
      image.src = "data:image/jpeg;base64," + jpeg;
      await image.decode();
      return image;
    }));
  };
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(15);
})();
"""
"""Script that replaces a tab's camera by a clip that a test can wind on: ``ferPlay(jpegs)`` plays these frames from now on."""


@contextmanager
def wound_camera(chromium: BrowserType) -> Iterator[BrowserContext]:
    """A window of a new Chromium with that camera."""
    browser = chromium.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *LOOPBACK_FLAGS])
    try:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(60_000)
        context.add_init_script(WOUND_CAMERA)
        yield context
    finally:
        browser.close()


def taught_frames(emotion: str, take: int, faces: int = 1, count: int = 12) -> list[str]:
    """Base64 JPEGs of one take, 640×480: one person who shows an emotion, at a place and in a light that the take gives.

    Args:
        emotion: what the person shows.
        take: 0 to 3.
        faces: number of faces side by side; with 0 the room is empty.
        count: number of frames.
    """
    rng = np.random.default_rng(take)
    face = draw_face(emotion, np.random.default_rng(7), size=(230, 250, 210, 240)[take]).astype(np.float32)
    gain, offset = ((1, 0), (0.75, 10), (0.9, 45), (0.85, 20))[take]
    side = len(face)
    frames = []
    for step in range(count):
        canvas = np.full((HEIGHT, WIDTH), (96, 60, 130, 80)[take], np.float32)
        for place in range(faces):
            x = round((180, 120, 260, 200)[take] * (faces == 1) + 320 * place + 20 + 10 * np.sin(step / 2))
            y = round((100, 140, 80, 110)[take] + 6 * np.cos(step / 3))
            canvas[y : y + side, x : x + side] = face * gain + offset
        noisy = np.clip(canvas + rng.normal(0, 3, canvas.shape), 0, 255).astype(np.uint8)
        frames.append(base64.b64encode(encode(noisy, ".jpg")).decode())
    return frames
