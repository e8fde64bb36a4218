"""A fake camera for Chromium: a clip of drawn faces that the detector finds, with moments without one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from fer_core.data.synthetic import draw_face

WIDTH, HEIGHT, RATE = 640, 480, 30
EMOTIONS = ("happy", "surprise")


def camera_flags(clip: Path) -> list[str]:
    """Flags that make Chromium take ``clip`` for its camera and let a page connect to its own machine."""
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
        "--allow-loopback-in-peer-connection",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ]


def faces_clip(path: Path, seconds: float = 4.0) -> Path:
    """Write a y4m clip: two faces that sway, and half a second without any, again and again."""
    rng = np.random.default_rng(3)
    faces = [draw_face(emotion, rng, size=240) for emotion in EMOTIONS]
    total = round(seconds * RATE)
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(RATE), "-i", "-", "-pix_fmt", "yuv420p", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        for step in range(total):
            canvas = np.full((HEIGHT, WIDTH), 96, np.uint8)
            if step < total - RATE // 2:
                for index, face in enumerate(faces):
                    x = round(40 + 310 * index + 12 * np.sin(step / 11 + index))
                    y = round(110 + 8 * np.cos(step / 9 + index))
                    canvas[y : y + 240, x : x + 240] = face
            ffmpeg.stdin.write(canvas.tobytes())
    if ffmpeg.returncode:
        raise RuntimeError(f"ffmpeg failed with status {ffmpeg.returncode}")
    return path
