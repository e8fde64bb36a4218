"""Pictures made larger or smaller to be looked at; what a network sees is resized by ``fer_core.preprocess`` alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def enlarge(picture: npt.NDArray[np.uint8], side: int, *, smooth: bool = True) -> npt.NDArray[np.uint8]:
    """A small square picture, uint8 (h, w) or (h, w, 3), drawn ``side`` pixels wide and high.

    Args:
        picture: the pixels.
        side: of the result.
        smooth: bicubic, as a person would see a face; without it each pixel stays a square.
    """
    import cv2

    method = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), dtype=np.uint8)


def fit(picture: npt.NDArray[np.uint8], longest: int, *, enlarge: bool = False) -> npt.NDArray[np.uint8]:
    """A picture, uint8 (H, W) or (H, W, 3), with a longest side of at most ``longest`` pixels; proportions stay.

    Args:
        picture: the pixels; they come back as they are where nothing has to change.
        longest: pixels.
        enlarge: make a smaller picture as large as that, too.
    """
    import cv2

    height, width = picture.shape[:2]
    scale = longest / max(width, height)
    if scale == 1 or (scale > 1 and not enlarge):
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
