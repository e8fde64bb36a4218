"""How faces of 48×48 pixels are framed: the measurement that the constants of the crop rule come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fer_core.faces import Face, FaceDetector, largest
from fer_core.faces.crop import NOSE_SHARE, SPREAD
from fer_core.preprocess import FACE_SIZE, as_faces


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of one measure over faces."""

    q25: float
    median: float
    q75: float


@dataclass(frozen=True, slots=True)
class Framing:
    """Where the detector sees eyes, nose, mouth and box in 48×48 faces, in units of the side (0 left or top, 1 right
    or bottom); ``roll`` is the angle of the eyes in degrees."""

    n: int
    """Faces shown."""
    found: int
    """Faces the detector found; the measures are over these."""
    measures: dict[str, Spread] = field(default_factory=dict)


def measure_framing(
    faces: npt.NDArray[np.generic],
    detector: FaceDetector | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Framing:
    """Measure the framing of faces uint8 (N, 48, 48): how the constants of the crop rule were found.

    Each face is enlarged to 192 pixels; of several detections the largest counts.

    Raises:
        ImageError: the array is not one of faces.
    """
    array = as_faces(faces)
    detector = detector or FaceDetector(longest_side=4 * FACE_SIZE)
    rows = []
    for done, image in enumerate(array, start=1):
        face = largest(detector.detect(image, fast=True))
        if face is not None:
            rows.append(_measure(face))
        if on_progress:
            on_progress(done, len(array))
    names = list(rows[0]) if rows else []
    measures = {name: _quartiles([row[name] for row in rows]) for name in names}
    return Framing(len(array), len(rows), measures)


def _measure(face: Face) -> dict[str, float]:
    points = face.landmarks.astype(np.float64) / FACE_SIZE
    box = np.array(face.box) / FACE_SIZE
    right_eye, left_eye, nose = points[:3]
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    corners = points[[0, 1, 3, 4]].mean(axis=0)
    spread = float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
    # Where the middle of the picture lies, seen from the anchor, in units of the side that crop_box would choose
    centre = (0.5 - corners - NOSE_SHARE * (corners - nose)) / (spread / SPREAD)
    across, down = left_eye - right_eye
    return {
        "eyes_x": eyes[0],
        "eyes_y": eyes[1],
        "eye_distance": float(np.hypot(across, down)),
        "nose_x": nose[0],
        "nose_y": nose[1],
        "mouth_x": mouth[0],
        "mouth_y": mouth[1],
        "box_x": box[0] + box[2] / 2,
        "box_y": box[1] + box[3] / 2,
        "box_width": box[2],
        "box_height": box[3],
        "roll": float(np.degrees(np.arctan2(down, across))),
        "spread": spread,
        "centre_x": centre[0],
        "centre_y": centre[1],
    }


def _quartiles(values: Sequence[float]) -> Spread:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return Spread(float(low), float(middle), float(high))
