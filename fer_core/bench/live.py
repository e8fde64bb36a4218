"""Measures milliseconds per frame of the live path, against a plain implementation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.workspace import Workspace

if TYPE_CHECKING:
    pass

Note = Callable[[str], None]


def bench_live(
    frames: list[Any],
    model: str,
    detect_every: int | None = None,
    rounds: int = 3,
    note: Note | None = None,
    *,
    workspace: Workspace,
) -> dict[str, Any]:
    """Measure milliseconds per frame of the live path and of a plain implementation, alternating frame by frame.

    * ours: detection on a reduced frame every ``detect_every`` frames, all faces in one batch, then drawing;
    * plain: detection on every full frame, one classifier call per face, default memory layout; the same network and drawing.

    Args:
        frames: uint8 RGB (H, W, 3) each.
        model: a model's name or path.
        detect_every: frames between detections; None uses the live default.
        rounds: passes over the clip; the first is a warm-up.
        note: receives progress messages.
    """
    from fer_core.annotate import draw_marks
    from fer_core.config import LiveConfig
    from fer_core.faces import FaceDetector
    from fer_core.inference import Classifier, load_checkpoint, resolve_model
    from fer_core.live import LiveProcessor
    from fer_core.training.device import cpu_name

    say = note or (lambda _: None)
    config = LiveConfig() if detect_every is None else LiveConfig(detect_every=detect_every)
    classifier = Classifier.load(model, workspace=workspace, threads=1)  # as the app does
    live = LiveProcessor(classifier, config=config)
    height, width = frames[0].shape[:2]
    plain_detector = FaceDetector(longest_side=min(4096, max(height, width)))
    plain_classifier = Classifier(*load_checkpoint(resolve_model(model, workspace)))
    ours: list[dict[str, float]] = []
    plain: list[float] = []
    faces: list[int] = []
    for number in range(rounds + 1):
        live.reset()
        for index, frame in enumerate(frames):
            started = time.perf_counter()
            result = live.process(frame, (number * len(frames) + index) / 30)
            processed = time.perf_counter()
            draw_marks(frame, result.marks(), mirror=True)
            ended = time.perf_counter()
            plain_ms = _plain_frame(frame, plain_detector, plain_classifier)
            if number:
                ours.append(
                    {
                        **result.milliseconds,
                        "draw": 1000 * (ended - processed),
                        "total": 1000 * (ended - started),
                        "detected": float(result.detected),
                    }
                )
                plain.append(plain_ms)
                faces.append(len(result.faces))
        say(f"round {number}/{rounds}" + (" (warm-up)" if not number else ""))
    totals = np.array([row["total"] for row in ours])
    searched = np.array([row["detected"] > 0 for row in ours])
    return {
        "model": model,
        "faces": float(np.mean(faces)),
        "frames": len(ours),
        "size": [width, height],
        "mean_ms": float(totals.mean()),
        "median_ms": float(np.median(totals)),
        "p95_ms": float(np.percentile(totals, 95)),
        "detect_every": config.detect_every,
        "detect_frame_ms": float(totals[searched].mean()),
        "plain_mean_ms": float(np.mean(plain)),
        "ratio": float(np.mean(plain) / totals.mean()),
        "stages": {name: float(np.mean([row[name] for row in ours])) for name in ("detect", "classify", "draw")},
        "device": cpu_name(),
    }


def _plain_frame(frame: Any, detector: Any, classifier: Any) -> float:
    """Process one frame the plain way and return the milliseconds."""
    from fer_core.annotate import Mark, draw_marks
    from fer_core.faces import crop_face

    started = time.perf_counter()
    found = []
    for number, face in enumerate(detector.detect(frame, fast=True), 1):
        crop = crop_face(frame, face)
        probabilities = classifier.probabilities(crop)[0]
        found.append(
            Mark(face.box, number, classifier.classes, int(probabilities.argmax()), probabilities.tolist(), False)
        )
    draw_marks(frame, found, mirror=True)
    return 1000 * (time.perf_counter() - started)


def clip_of_photos(paths: list[Any], faces: int = 1, length: int = 60, size: tuple[int, int] = (640, 480)) -> list[Any]:
    """Create a clip of uint8 RGB frames with ``faces`` photos side by side that sway a little.

    Only photos with exactly one detected face are used, so that the number of faces is as requested.
    """
    import cv2

    from fer_core.errors import DataError
    from fer_core.faces import FaceDetector
    from fer_core.images import read_photo

    detector, tiles = FaceDetector(), []
    width, height = size
    tile = min(width // max(1, min(faces, 3)), height // (1 + (faces - 1) // 3))
    for path in paths:
        image = read_photo(path).rgb
        if len(detector.detect(image)) == 1:
            scale = tile / max(image.shape[:2])
            tiles.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        if len(tiles) == faces:
            break
    if len(tiles) < faces:
        raise DataError(f"{faces} photos with exactly one face each are needed; found {len(tiles)}.")
    frames = []
    for step in range(length):
        canvas = np.full((height, width, 3), 90, np.uint8)
        for index, picture in enumerate(tiles):
            row, column = divmod(index, 3)
            h, w = picture.shape[:2]
            x = round(column * tile + (tile - w) / 2 + 6 * np.sin(step / 9 + index))
            y = round(row * tile + (tile - h) / 2 + 4 * np.cos(step / 7 + index))
            x, y = int(np.clip(x, 0, width - w)), int(np.clip(y, 0, height - h))
            canvas[y : y + h, x : x + w] = picture
        frames.append(canvas)
    return frames
