"""Names of classes as they are written into a picture."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.formatting import shortened

_LONGEST: Final = 24
"""Characters of a name in a picture."""


def drawn_name(classes: ClassList, index: int) -> str:
    """The name of a class in letters that can be drawn: a long one shortened, one with emoji by its number."""
    name = classes[index]
    if any(ord(c) > 0xFFFF for c in name):  # no font that OpenCV brings has them
        return f"class {index + 1}"
    return shortened(name, _LONGEST)


def draw_text(
    image: npt.NDArray[np.uint8],
    text: str,
    place: tuple[int, int],
    *,
    scale: float,
    color: tuple[int, int, int],
    thickness: int = 1,
) -> None:
    """Write into a picture uint8 RGB (H, W, 3), in place; ``place`` is where the base line begins, x and y in pixels."""
    import cv2

    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def text_size(text: str, scale: float, thickness: int = 1) -> tuple[int, int, int]:
    """Pixels that a text takes: width, height above the base line, and depth below it."""
    import cv2

    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    return width, height, base
