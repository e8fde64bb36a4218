"""Resizes images for display; network input is resized by ``fer_core.preprocess`` only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def enlarge(picture: npt.NDArray[np.uint8], side: int, *, smooth: bool = True) -> npt.NDArray[np.uint8]:
    """Enlarge a small square image, uint8 (h, w) or (h, w, 3), to ``side`` pixels.

    Args:
        picture: the pixels.
        side: side of the result.
        smooth: use bicubic interpolation; without it each pixel stays a square.
    """
    import cv2

    method = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), dtype=np.uint8)


def fit(picture: npt.NDArray[np.uint8], longest: int, *, enlarge: bool = False) -> npt.NDArray[np.uint8]:
    """Resize an image, uint8 (H, W) or (H, W, 3), to a longest side of at most ``longest`` pixels, keeping its proportions.

    Args:
        picture: the pixels; returned unchanged if they fit.
        longest: pixels.
        enlarge: enlarge smaller images to that size.
    """
    import cv2

    height, width = picture.shape[:2]
    scale = longest / max(width, height)
    if scale == 1 or (scale > 1 and not enlarge):
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
