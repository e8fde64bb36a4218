"""The one crop rule: from a face in an image to the 48×48 pixels a network sees, framed as FER2013 frames its faces.

A network reads a face well only in the frame it was trained on, so the rule was measured, not chosen
(``tests/core/faces/framing.py``). The detector was shown all 28,709 Training faces of FER2013 enlarged to 192 pixels and found
28,292 of them (98.5%). Then 60 ordinary photographs were cropped by the rule and the crops measured in the same way.
Medians, with quartiles in brackets, in units of the square's side from its left or upper edge:

================  =======================  ==========================
measure           FER2013, n = 28,292      60 photographs, n = 60
================  =======================  ==========================
eyes, middle x    0.493 (0.467…0.518)      0.481 (0.458…0.510)
eyes, middle y    0.380 (0.348…0.405)      0.372 (0.350…0.379)
eye distance      0.376 (0.337…0.405)      0.371 (0.356…0.382)
nose x            0.490 (0.447…0.531)      0.470 (0.424…0.509)
nose y            0.591 (0.552…0.620)      0.572 (0.555…0.586)
mouth x           0.498 (0.463…0.527)      0.484 (0.456…0.508)
mouth y           0.753 (0.722…0.782)      0.749 (0.739…0.763)
box, middle x     0.501 (0.473…0.528)      0.496 (0.471…0.522)
box, middle y     0.516 (0.502…0.528)      0.515 (0.507…0.521)
box width         0.819 (0.752…0.881)      0.808 (0.780…0.839)
box height        0.983 (0.935…1.013)      0.990 (0.969…1.005)
================  =======================  ==========================

The square is turned by quarters only, to the nearest one, so that photos stored sideways or upside down are read like upright
ones. It is not turned further with the face: FER2013's faces are not registered in angle. The line of their eyes leans by
−3.6…4.2 degrees (quartiles), as it does in the photographs as they are (−4.4…3.0). Cutting the faces of PublicTest out
again by this rule, upright and turned, left the accuracy of a network trained on FER2013 where it was (0.614 as they
are, 0.614 upright, 0.615 turned; n = 3,414 found, one deviation 0.008); by the eyes alone it was 0.608.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.faces.detector import Face
from fer_core.preprocess import FACE_SIZE, Faces, to_face, to_grey

SPREAD: Final = 0.2285
"""Root mean square distance of the five landmarks from their mean, as a share of the side (median over FER2013)."""
CENTRE: Final = (0.0036, -0.0556)
"""Offset from the anchor of :func:`crop_box` to the center of the square, x and y, as a share of the side (medians)."""
NOSE_SHARE: Final = 0.5
"""Share of the nose's offset from the middle of eyes and mouth that is subtracted, for turned heads."""

_LARGEST_SIDE = 20_000  # pixels; a gray square of this side takes 400 MB


@dataclass(frozen=True, slots=True)
class Square:
    """A square region of an image in whole pixels, with the orientation of its face; it may extend beyond the image."""

    x: int
    """Left edge."""
    y: int
    """Top edge."""
    side: int
    """Width and height, at least 1."""
    turns: int = 0
    """Clockwise quarter turns of the face in the image, 0…3; the crop is turned back by as many."""


def crop_box(face: Face) -> Square:
    """Return the square to crop for ``face``, which places its landmarks where FER2013 has them.

    Side: the landmarks' root mean square distance from their mean, divided by :data:`SPREAD`. This varies least over expressions
    (medians of the seven classes agree within 1%, disgust within 5%) and, unlike the detector's box, does not depend on the
    surroundings of the face. Center: the mean of eyes and mouth corners, moved by :data:`NOSE_SHARE` of the way from the nose to
    it, because in a turned head the nose leads and the back of the head lags; then moved by :data:`CENTER`. Orientation: the
    line of the eyes and the line from the eyes to the mouth, to the nearest quarter turn.
    """
    points = face.landmarks.astype(np.float64)  # (5, 2)
    spread = float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
    side = max(1.0, spread / SPREAD)
    corners = points[[0, 1, 3, 4]].mean(axis=0)
    anchor = corners + NOSE_SHARE * (corners - points[2])
    turns = _quarter_turns(points)
    right, down = CENTRE
    x, y = anchor + np.array(((right, down), (-down, right), (-right, -down), (down, -right))[turns]) * side
    return _square(float(x), float(y), side, turns)


def _quarter_turns(landmarks: npt.NDArray[np.float64]) -> int:
    """Return by how many clockwise quarter turns a face of these landmarks (5, 2) is turned, 0…3."""
    eyes = landmarks[1] - landmarks[0]
    down = landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)
    x, y = eyes[0] + down[1], eyes[1] - down[0]
    return round(math.atan2(y, x) / (math.pi / 2)) % 4


def square_around(x: float, y: float, width: float, height: float) -> Square:
    """Return the square around the center of a box marked by hand, as wide as the box's longer side.

    Raises:
        ImageError: the box is empty or not finite.
    """
    if not np.isfinite([x, y, width, height]).all() or width <= 0 or height <= 0:
        raise ImageError(f"A face must be marked with a box that has a width and a height; got {width}×{height}.")
    return _square(x + width / 2, y + height / 2, max(1.0, width, height))


def _square(x: float, y: float, side: float, turns: int = 0) -> Square:
    """Return the square of whole pixels around a center."""
    whole = round(side)
    return Square(round(x - whole / 2), round(y - whole / 2), whole, turns)


def crop_square(image: npt.NDArray[np.generic], square: Square) -> npt.NDArray[np.uint8]:
    """Crop one face, uint8 (48, 48), from a square of an image (gray or RGB, see :func:`fer_core.preprocess.to_gray`).

    It is resampled once from the image's own pixels, by area averaging. Beyond the image, its border pixels are repeated, as in
    training when augmentation moves a face out of the frame.

    Raises:
        ImageError: the square does not touch the image, or is far too large.
    """
    import cv2

    height, width = image.shape[:2]
    left, top = max(square.x, 0), max(square.y, 0)
    right, bottom = min(square.x + square.side, width), min(square.y + square.side, height)
    if left >= right or top >= bottom or not 1 <= square.side <= _LARGEST_SIDE:
        raise ImageError(
            f"The square at ({square.x}, {square.y}) with a side of {square.side} pixels is outside "
            f"this image of {width}×{height} pixels. Mark a face inside the image."
        )
    part = to_grey(image[top:bottom, left:right])
    missing = top - square.y, square.y + square.side - bottom, left - square.x, square.x + square.side - right
    if any(missing):
        part = np.asarray(cv2.copyMakeBorder(part, *missing, cv2.BORDER_REPLICATE), dtype=np.uint8)
    return to_face(np.ascontiguousarray(np.rot90(part, square.turns)) if square.turns else part)


def crop_face(image: npt.NDArray[np.generic], face: Face) -> npt.NDArray[np.uint8]:
    """Return the 48×48 uint8 pixels that a network sees of ``face``: ``crop_square(image, crop_box(face))``."""
    return crop_square(image, crop_box(face))


def crop_squares(image: npt.NDArray[np.generic], squares: Iterable[Square]) -> Faces:
    """Crop all squares of an image as one batch, uint8 (N, 48, 48); N may be 0."""
    crops = [crop_square(image, square) for square in squares]
    return np.stack(crops) if crops else np.empty((0, FACE_SIZE, FACE_SIZE), np.uint8)
