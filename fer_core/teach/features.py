"""Views of taught faces and their penultimate features: each face as it is, and a few changed views of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import TrainingError
from fer_core.inference import Classifier
from fer_core.preprocess import FACE_SIZE, Faces
from fer_core.store import Store
from fer_core.workspace import Workspace

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]
Floats = npt.NDArray[np.float32]

BUDGET: Final = 1_300
"""Views that pass the network in one training, which bounds its time; nine takes of 40 faces have 1,080."""
MAX_VIEWS: Final = 3
"""Views of each face, the unchanged one included."""
SHIFT, ROTATION, SCALE = 0.05, 8.0, 0.06
"""Largest shift as a share of the side, rotation in degrees and change of size of a changed view."""
GAIN, OFFSET = 0.15, 18.0
"""Largest change of contrast, and of brightness in gray values."""

_VERSION: Final = 1  # increase when views change
_BATCH: Final = 64


def plan(takes: list[Faces]) -> tuple[list[npt.NDArray[np.int64]], int]:
    """Return which faces of each take are used, and the number of views of each.

    Within :data:`BUDGET`, all faces have :data:`MAX_VIEWS` views. With more faces there are fewer views, then fewer faces:
    takes are thinned evenly, the longest first, because neighboring frames differ least.
    """
    counts = np.array([len(faces) for faces in takes])
    views = next((v for v in range(MAX_VIEWS, 1, -1) if counts.sum() * v <= BUDGET), 2)
    most = BUDGET // views
    if counts.sum() > most:
        low, high = 1, int(counts.max())
        while low < high:  # the largest number of faces per take that fits
            middle = (low + high + 1) // 2
            low, high = (middle, high) if np.minimum(counts, middle).sum() <= most else (low, middle - 1)
        counts = np.minimum(counts, low)
    used = [
        np.unique(np.linspace(0, len(faces) - 1, n).round().astype(np.int64))
        for faces, n in zip(takes, counts.tolist(), strict=True)
    ]
    return used, views


def make_views(faces: Faces, views: int) -> Faces:
    """Return the views of faces, uint8 (N, views, 48, 48): unchanged, then changed ones, which differ for each face.

    A changed view is shifted, turned, resized, and changed in brightness and contrast at random, with a fixed seed. Views are not
    mirrored, because own classes may be one-sided: a wink, a look to the left.
    """
    import cv2

    rng = np.random.default_rng(19)
    found = np.repeat(faces[:, None], views, axis=1)
    middle = (FACE_SIZE - 1) / 2
    for face in found:
        for view in range(1, views):
            turn, size = rng.uniform(-ROTATION, ROTATION), 1 + rng.uniform(-SCALE, SCALE)
            matrix = np.array(cv2.getRotationMatrix2D((middle, middle), turn, size), dtype=np.float64)
            matrix[:, 2] = matrix[:, 2] + rng.uniform(-SHIFT, SHIFT, 2) * FACE_SIZE
            moved = cv2.warpAffine(
                face[0], matrix, (FACE_SIZE, FACE_SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ).astype(np.float32)
            mean = float(moved.mean())
            changed = (moved - mean) * (1 + rng.uniform(-GAIN, GAIN)) + mean + rng.uniform(-OFFSET, OFFSET)
            face[view] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return found


def take_features(
    takes: list[Faces],
    views: int,
    classifier: Classifier,
    workspace: Workspace,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> list[Floats]:
    """Return the penultimate features of the views of each take's faces, float32 (N, views, D); takes seen before are cached.

    Raises:
        TrainingError: ``stop`` returned true.
        ModelError: the network is damaged.
    """
    store, total, done = Store(workspace), sum(map(len, takes)), 0
    found = []
    for faces in takes:
        key = _key(faces, views, classifier)
        kept = store.get("take-features", key, lambda entry: entry.arrays["features"]) if key else None
        if kept is None:
            pixels = make_views(faces, views).reshape(-1, FACE_SIZE, FACE_SIZE)
            parts = []
            for start in range(0, len(pixels), _BATCH):
                check_stop(stop)
                parts.append(classifier.features(pixels[start : start + _BATCH]))
                if progress:
                    progress(done + math.floor(min(start + _BATCH, len(pixels)) / views), total)
            kept = np.concatenate(parts).reshape(len(faces), views, -1)
            if key:
                store.put("take-features", key, {"features": kept})
        done += len(faces)
        if progress:
            progress(done, total)
        found.append(kept)
    return found


def check_stop(stop: Stop | None) -> None:
    """Raise an error if a stop was requested.

    Raises:
        TrainingError: it was.
    """
    if stop is not None and stop():
        raise TrainingError("The training was stopped; the previous model is unchanged.")


def _key(faces: Faces, views: int, classifier: Classifier) -> str | None:
    """Return the cache key of a take's features; None for a network in memory, whose weights may change."""
    weights = classifier.weights_key
    if weights is None:
        return None
    return f"{_VERSION} {weights} {views} {hashlib.sha256(np.ascontiguousarray(faces).data).hexdigest()}"
