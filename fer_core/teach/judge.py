"""The one rule for what is kept of a picture: camera frames, photos and clips are all judged here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer_core.faces import Face, FaceDetector, Square, crop_box, crop_square, largest
from fer_core.faces.boxes import Box

Reason = Literal["no face", "several faces", "unclear face", "face cut off", "blurred", "unreadable", "over the limit"]
"""Why a picture is left out. ``over the limit``: its take has more pictures than are judged."""

ADVICE: Final[dict[Reason, str]] = {
    "no face": "No face is visible.",
    "several faces": "Several faces are visible; only one person can be recorded at a time.",
    "unclear face": "The face is hard to make out; turn it to the camera and to the light.",
    "face cut off": "The face is cut off at the edge of the picture.",
    "blurred": "The face is blurred; hold still.",
    "unreadable": "The file cannot be read.",
    "over the limit": "The take has more pictures than are used.",
}
"""A sentence for each reason, to show beside the picture."""

OTHER_FACE: Final = 0.4
"""A second face counts from this size on, relative to the largest; smaller ones are in the background."""
INSIDE: Final = 0.7
"""Share of the crop square that must lie inside the picture. Of 60 portraits, 95% have more; with the left half of the face cut
away, none has more than 0.71 (median 0.55)."""
SHARPNESS: Final = 0.17
"""Lowest sharpness of a face, see :func:`sharpness`. 60 portraits have 0.30 and more; blurred by 4% of the crop's side, 0.12
(median)."""
CONTRAST: Final = 6.0
"""Lowest standard deviation of a face's gray values, 0…127.5; below it nothing can be seen."""


@dataclass(frozen=True, eq=False)
class FrameFace:
    """What is kept of one picture: a face, or the reason why not.

    Attributes:
        image: the face, uint8 (48, 48); None if the picture is left out.
        reason: why it is left out; None if the face is kept.
        box: left, top, width and height of the largest face in pixels of the picture; None without a face.
    """

    image: npt.NDArray[np.uint8] | None
    reason: Reason | None = None
    box: Box | None = None

    @property
    def kept(self) -> bool:
        """Whether the face is kept."""
        return self.reason is None

    @property
    def advice(self) -> str:
        """What to do, as a sentence; empty if the face is kept."""
        return "" if self.reason is None else ADVICE[self.reason]


def judge(rgb: npt.NDArray[np.generic], detector: FaceDetector, *, fast: bool = False) -> FrameFace:
    """Find the face of a picture, crop it by the one crop rule, and decide whether it can be taught.

    Args:
        rgb: uint8 RGB (H, W, 3) or gray (H, W).
        detector: finds the faces.
        fast: skip the search for small faces, as the live view does; for camera frames and clips.

    Raises:
        ImageError: the array is not an image.
    """
    faces = detector.detect(rgb, fast=fast)
    face = largest(faces)
    if face is None:
        return FrameFace(None, "no face")
    if any(other is not face and _side(other) >= OTHER_FACE * _side(face) and not other.is_doubtful for other in faces):
        return FrameFace(None, "several faces", face.box)
    square = crop_box(face)
    height, width = rgb.shape[:2]
    if _share_inside(square, width, height) < INSIDE:
        return FrameFace(None, "face cut off", face.box)
    image = crop_square(rgb, square)
    if float(image.std()) < CONTRAST:
        return FrameFace(None, "unclear face", face.box)
    if sharpness(image) < SHARPNESS:
        return FrameFace(None, "blurred", face.box)
    if face.is_doubtful:
        return FrameFace(None, "unclear face", face.box)
    return FrameFace(image, None, face.box)


def sharpness(face: npt.NDArray[np.uint8]) -> float:
    """Return how sharp a face uint8 (48, 48) is, at least 0: the deviation of its Laplacian relative to that of its gray values.

    The variance of the Laplacian is the usual measure of focus (Pertuz et al. 2013, LAPV); dividing by the contrast makes it
    independent of light. It is measured on the 48×48 crop, so a photo that is blurred only at full size passes.
    """
    import cv2

    contrast = float(face.std())
    return float(cv2.Laplacian(face, cv2.CV_32F).std()) / contrast if contrast else 0.0


def _side(face: Face) -> float:
    return max(face.box[2:])


def _share_inside(square: Square, width: int, height: int) -> float:
    across = min(square.x + square.side, width) - max(square.x, 0)
    down = min(square.y + square.side, height) - max(square.y, 0)
    return max(0, across) * max(0, down) / square.side**2
