"""Small video files for tests, written with FFmpeg, and what a player shows and plays of a file."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fer_core.config import LiveConfig
from fer_core.faces import Face
from fer_core.inference import Classifier
from fer_core.live import LiveProcessor
from fer_core.live.video import VideoResult, annotate_video
from tests.paths import PROJECT_ROOT

BUGS = PROJECT_ROOT.parent / "shared" / "bugs"
"""Small files that show faults found by public bug reports; tests that need them are skipped where they are absent."""
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
FLASH = 1.0
"""Time of the flash and the beep in seconds, on the clock of its stream."""


def bug(name: str) -> Path:
    """A file of :data:`BUGS`; skips the test where it is absent."""
    if not (BUGS / name).is_file():
        pytest.skip(f"{name} is not there")
    return BUGS / name


def ffmpeg(*arguments: object) -> None:
    """Run ``ffmpeg`` with these arguments."""
    command = ["ffmpeg", "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60)


def flash_and_beep(
    path: Path, *options: object, sound: str = "aac", seconds: float = 2.0, size: str = "160x120"
) -> Path:
    """Black video with a white flash, and silence with a beep, both after :data:`FLASH` seconds."""
    window = f"between(t,{FLASH},{FLASH + 0.2})"
    flash = f"color=black:s={size}:r=25:d={seconds},drawbox=color=white:t=fill:enable='{window}'"
    beep = f"sine=frequency=1000:sample_rate=48000:duration={seconds},volume='if({window},1,0)':eval=frame"
    inputs = ["-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", beep]
    ffmpeg(*inputs, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", sound, *options, path)
    return path


def flash_time(path: Path) -> float:
    """Time in seconds of the first white frame, as a player shows it."""
    with av.open(str(path)) as container:
        return next(f.time for f in container.decode(video=0) if f.to_ndarray(format="gray").mean() > 120)


def beep_time(path: Path) -> float:
    """Time in seconds of the first loud sample, as a player plays it."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000)
        for decoded in container.decode(audio=0):
            for frame in resampler.resample(decoded):
                loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.05)
                if loud.size:
                    return decoded.time + loud[0] / 48_000
    raise AssertionError(f"{path} has no beep")


def shown_by_ffmpeg(path: Path, folder: Path) -> np.ndarray:
    """First frame as FFmpeg shows it: rotated and mirrored, uint8 RGB (H, W, 3)."""
    ffmpeg("-i", path, "-frames:v", 1, folder / "shown.png")
    with Image.open(folder / "shown.png") as image:
        return np.asarray(image.convert("RGB"))


def frames_of(path: Path) -> list[np.ndarray]:
    """All stored frames of a file, uint8 RGB (H, W, 3)."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def times_of(path: Path) -> list[float]:
    """Times of all frames of a file in seconds."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a csv."""
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def spot(width: int, height: int) -> np.ndarray:
    """A dark image with one bright rectangle off the center, so that every rotation and mirroring shows."""
    image = np.full((height, width, 3), 16, np.uint8)
    image[height // 8 : height // 8 + height // 4, width // 6 : width // 6 + width // 3] = 235
    return image


def write(
    path: Path, images: Iterable[np.ndarray], *, codec: str = "libx264", rate: int = 25, **stream: object
) -> Path:
    """A video of these images without sound; ``stream`` sets attributes of its codec context."""
    waiting = iter(images)
    first = next(waiting)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
        for name, value in stream.items():
            setattr(video.codec_context, name, value)
        for image in (first, *waiting):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
    return path


def with_matrix(path: Path, target: Path, matrix: Sequence[int] | None, pixel_ratio: Fraction | None = None) -> Path:
    """Copy a video without encoding it and set its display matrix."""
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return target


class SpotDetector:
    """Finds one face: the bright rectangle of :func:`spot`."""

    def detect(self, image: np.ndarray, fast: bool = False) -> tuple[Face, ...]:
        rows, columns = np.nonzero(image.min(axis=2) > 128)
        if not rows.size:
            return ()
        left, top = float(columns.min()), float(rows.min())
        width, height = float(columns.max()) + 1 - left, float(rows.max()) + 1 - top
        points = np.array(
            [
                [left + width * x, top + height * y]
                for x, y in ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
            ]
        )
        return (Face((left, top, width, height), 0.9, points.astype(np.float32)),)


def annotate(
    source: Path, output: Path | None, table: Path | None, classifier: Classifier, **options: bool
) -> VideoResult:
    """Annotate a video with :class:`SpotDetector`."""
    config = LiveConfig(mirror=bool(options.get("mirror")), bars=False, detect_every=1)
    processor = LiveProcessor(classifier, SpotDetector(), config)  # type: ignore[arg-type]
    return annotate_video(source, output, table, classifier, processor=processor, config=config)
