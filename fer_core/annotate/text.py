"""Draws text and class names on images."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.formatting import shortened

_MAX_LENGTH: Final = 24
"""Most characters of a drawn name."""


def drawn_name(classes: ClassList, index: int) -> str:
    """The drawable name of a class: long names are shortened, names with emoji become ``class 3``."""
    name = classes[index]
    if any(ord(c) > 0xFFFF for c in name):  # no OpenCV font contains them
        return f"class {index + 1}"
    return shortened(name, _MAX_LENGTH)


def draw_text(
    image: npt.NDArray[np.uint8],
    text: str,
    origin: tuple[int, int],
    *,
    scale: float,
    color: tuple[int, int, int],
    thickness: int = 1,
) -> None:
    """Draw text on an image, uint8 RGB (H, W, 3), in place; ``origin`` is the start of the baseline, x and y in pixels."""
    import cv2

    cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def text_size(text: str, scale: float, thickness: int = 1) -> tuple[int, int, int]:
    """Size of a text in pixels: width, height above the baseline, and depth below it."""
    import cv2

    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    return width, height, base
