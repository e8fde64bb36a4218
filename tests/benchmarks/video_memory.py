"""Memory over a long video file: ``python -m tests.benchmarks.video_memory``.

Makes a clip of drawn faces that sway, come and go (ten minutes, 320×240, 25 frames/s, with sound), annotates it as the
command ``video`` does, and prints the resident memory at each minute of the video, and its growth between minute 2 and
the end. ``--minutes 3`` is a shorter form.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from fer_core.data.synthetic import draw_face
from fer_core.inference import Classifier, limit_torch_threads
from fer_core.live.video import VideoProgress, annotate_video

WIDTH, HEIGHT, RATE = 320, 240, 25


def clip(path: Path, minutes: float) -> Path:
    """Ten seconds of faces, again and again, with a tone; one time in five without a face."""
    rng = np.random.default_rng(5)
    faces = [draw_face(emotion, rng, size=120) for emotion in ("happy", "surprise")]
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"]
    part = path.with_name("part.mp4")
    with subprocess.Popen(
        ["ffmpeg", "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", str(part)], stdin=subprocess.PIPE
    ) as ffmpeg:
        assert ffmpeg.stdin is not None
        for step in range(10 * RATE):
            canvas = np.full((HEIGHT, WIDTH), 96, np.uint8)
            for index, face in enumerate(faces[: 2 if step % 100 < 80 else 0]):
                x, y = round(25 + 155 * index + 6 * np.sin(step / 11)), round(60 + 6 * np.cos(step / 9 + index))
                canvas[y : y + 120, x : x + 120] = face
            ffmpeg.stdin.write(canvas.tobytes())
    if ffmpeg.returncode:
        raise RuntimeError("ffmpeg could not make the clip")
    looped = ["-stream_loop", "-1", "-i", str(part), "-f", "lavfi", "-i", "sine=frequency=440"]
    joined = [*looped, "-t", str(60 * minutes), "-c:v", "copy", "-c:a", "aac", "-b:a", "64k", str(path)]
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *joined], check=True)
    return path


def resident() -> float:
    """This process's resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    chosen = parser.parse_args()
    limit_torch_threads()
    classifier = Classifier.load("seed")
    by_minute: dict[int, float] = {}

    def note(progress: VideoProgress) -> None:
        by_minute.setdefault(int(progress.seconds // 60), round(resident(), 1))

    with tempfile.TemporaryDirectory() as folder:
        source = clip(Path(folder) / "in.mp4", chosen.minutes)
        started = time.perf_counter()
        result = annotate_video(source, Path(folder) / "out.mp4", Path(folder) / "t.csv", classifier, on_progress=note)
        took = time.perf_counter() - started
    last = round(resident(), 1)
    print(
        json.dumps(
            {
                "video_minutes": chosen.minutes,
                "frames": result.frames,
                "faces": result.faces,
                "seconds": round(took, 1),
                "memory_mb_at_minute": by_minute,
                "memory_mb_at_the_end": last,
                "growth_mb_from_minute_2": round(last - by_minute[2], 1) if 2 in by_minute else None,
            }
        )
    )


if __name__ == "__main__":
    main()
