"""Drawing on a picture: boxes, numbers, labels, bars. Never in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.annotate.mark import Mark
from fer_core.annotate.text import draw_text, drawn_name, text_size
from fer_core.faces.boxes import intersection

UNSURE: Final = "not sure"
_UNSURE_COLOR: Final = (150, 150, 150)
MOST_BARS: Final = 8
"""Bars beside a face; of more classes the most probable have one."""


def rgb(color: str) -> tuple[int, int, int]:
    """``#D55E00`` -> (213, 94, 0)."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def draw_marks(
    picture: npt.NDArray[np.uint8], marks: Sequence[Mark], *, mirror: bool = False, bars: bool = True
) -> npt.NDArray[np.uint8]:
    """A copy of ``picture`` with every face boxed, numbered and named; uint8 RGB (H, W, 3).

    Args:
        picture: uint8 RGB (H, W, 3) or gray (H, W).
        marks: The faces.
        mirror: Turn picture and boxes as in a mirror.
        bars: Draw the probabilities beside each box, of at most :data:`MOST_BARS` classes.
    """
    import cv2

    height, width = picture.shape[:2]
    image = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    if mirror:
        image = np.asarray(cv2.flip(image, 1), dtype=np.uint8)
        marks = [mark.mirrored(width) for mark in reversed(marks)]
    else:
        image = image.copy()
    unit = max(1, round(min(width, height) / 240))  # line width
    for mark in marks:
        color = _UNSURE_COLOR if mark.abstained else rgb(mark.classes.colors[mark.label])
        x, y, w, h = (round(v) for v in mark.box)
        cv2.rectangle(image, (x, y), (x + w, y + h), (0, 0, 0), unit + 2)
        cv2.rectangle(image, (x, y), (x + w, y + h), color, unit)
        _caption(image, mark, x, y, h, color, unit)
        if bars:
            _bars(image, mark, [other for other in marks if other is not mark], unit)
    return image


def _caption(
    image: npt.NDArray[np.uint8], mark: Mark, x: int, y: int, h: int, color: tuple[int, int, int], unit: int
) -> None:
    import cv2

    percent = round(100 * mark.probabilities[mark.label])
    name = drawn_name(mark.classes, mark.label)
    text = f"{mark.number} {UNSURE}" if mark.abstained else f"{mark.number} {name} {percent}%"
    scale = 0.28 * unit + 0.22
    width, height, base = text_size(text, scale, unit)
    x = int(np.clip(x, 0, max(0, image.shape[1] - width - 2 * unit)))
    top = y - height - base - 2 * unit
    if top < 0:  # no room above the face
        top = min(y + h, image.shape[0] - height - base - 2 * unit)
    top = max(0, top)
    cv2.rectangle(image, (x, top), (x + width + 2 * unit, top + height + base + 2 * unit), color, -1)
    ink = (0, 0, 0) if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 120 else (255, 255, 255)
    place = (x + unit, top + height + unit)
    draw_text(image, text, place, scale=scale, color=ink, thickness=unit)


def _bars(image: npt.NDArray[np.uint8], mark: Mark, others: list[Mark], unit: int) -> None:
    """A bar for each class beside the box, where neither the edge nor another face is in the way; else inside its lower part."""
    import cv2

    x, y, w, h = (round(v) for v in mark.box)
    shown = _most_probable(mark)
    length, thick = max(24, w // 3), max(3, h // (2 * len(shown)))
    tall = len(shown) * (thick + unit)
    places = [(x + w + 3 * unit, y), (x - length - 3 * unit, y), (x + 2 * unit, y + h - tall - unit)]
    for left, top in places[:2]:
        inside = left >= 0 and left + length <= image.shape[1]
        if inside and not any(intersection((left, top, length, tall), other.box) for other in others):
            break
    else:
        left, top = places[2]
    for place, index in enumerate(shown):
        row = top + place * (thick + unit)
        patch = image[max(row, 0) : max(row + thick, 0), max(left, 0) : max(left + length, 0)]
        if not patch.size:
            continue
        patch[:] = patch // 2  # a dark ground, so that the bars read on any picture
        end = left + round(length * mark.probabilities[index])
        if end > left:
            cv2.rectangle(image, (left, row), (end - 1, row + thick - 1), rgb(mark.classes.colors[index]), -1)


def _most_probable(mark: Mark) -> list[int]:
    """Positions of the classes that have a bar, from the top down: all in order, or the most probable of many."""
    order = list(range(len(mark.probabilities)))
    if len(order) <= MOST_BARS:
        return order
    return sorted(order, key=lambda i: -mark.probabilities[i])[:MOST_BARS]
