"""Geometry of a video: how stored pixels become what a player shows, and how a frame of another size is letterboxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.faces.boxes import Box

Image = npt.NDArray[np.uint8]

_MAX_PIXEL_RATIO: Final = 8
"""Largest plausible sample aspect ratio; files with larger ones are damaged."""


@dataclass(frozen=True, slots=True)
class DisplayTransform:
    """Transform from stored pixels to the upright image with square pixels that a player shows.

    The steps apply in the order of the attributes.

    Attributes:
        pixel_ratio: width of a stored pixel divided by its height (sample aspect ratio).
        transpose: swap rows and columns.
        flip_x: mirror left and right.
        flip_y: mirror top and bottom.
    """

    pixel_ratio: Fraction = Fraction(1)
    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_stream(cls, matrix: Sequence[int] | None, pixel_ratio: Fraction | None) -> DisplayTransform:
        """Transform for a display matrix and a sample aspect ratio.

        A point (x, y) is shown at (a·x + c·y, b·x + d·y), up to a translation; angles are rounded to right angles.

        Args:
            matrix: the nine numbers a b u c d v x y w of FFmpeg's display matrix; None if there is none.
            pixel_ratio: sample aspect ratio; None, 0 or an implausible value means square pixels.
        """
        ratio = Fraction(pixel_ratio or 1)
        if not Fraction(1, _MAX_PIXEL_RATIO) <= ratio <= _MAX_PIXEL_RATIO:
            ratio = Fraction(1)
        if matrix is None:
            return cls(ratio)
        a, b, _, c, d = matrix[:5]
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(ratio, False, a < 0, d < 0)
        return cls(ratio, True, c < 0, b < 0)

    def square_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a stored frame after scaling to square pixels; neither side shrinks."""
        if self.pixel_ratio >= 1:
            return max(1, round(width * self.pixel_ratio)), height
        return width, max(1, round(height / self.pixel_ratio))

    def orient(self, pixels: Image) -> Image:
        """Rotate and mirror an image with square pixels, uint8 (H, W, 3); returns a contiguous array."""
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        if self.flip_x:
            pixels = pixels[:, ::-1]
        if self.flip_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)


@dataclass(frozen=True, slots=True)
class Placement:
    """Position and size of a scaled image inside a larger canvas.

    Attributes:
        scale: size of a pixel of the image on the canvas.
        left, top: position of the image on the canvas in pixels.
        width, height: size of the scaled image in pixels.
    """

    scale: float
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def fit(cls, size: tuple[int, int], canvas: tuple[int, int]) -> Placement:
        """Largest centered placement of an image of ``size`` (width, height) on ``canvas`` (width, height)."""
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        width, height = (max(1, min(canvas[i], round(size[i] * scale))) for i in (0, 1))
        return cls(scale, (canvas[0] - width) // 2, (canvas[1] - height) // 2, width, height)

    def box(self, box: Box) -> Box:
        """A box of the image (left, top, width, height) in coordinates of the canvas."""
        x, y, width, height = (value * self.scale for value in box)
        return x + self.left, y + self.top, width, height


def letterbox(image: Image, canvas: tuple[int, int]) -> Image:
    """Scale an image, uint8 RGB (H, W, 3), to fit ``canvas`` (width, height) with black bars; unchanged if it fits."""
    import cv2

    height, width = image.shape[:2]
    if (width, height) == canvas:
        return image
    place = Placement.fit((width, height), canvas)
    method = cv2.INTER_AREA if place.scale < 1 else cv2.INTER_LINEAR
    filled = np.zeros((canvas[1], canvas[0], 3), np.uint8)
    part = filled[place.top : place.top + place.height, place.left : place.left + place.width]
    part[:] = cv2.resize(image, (place.width, place.height), interpolation=method)
    return filled
