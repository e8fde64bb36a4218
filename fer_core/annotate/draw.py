"""Draws boxes, numbers, labels and probability bars on a copy of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.annotate.mark import Mark
from fer_core.annotate.text import draw_text, drawn_name, text_size
from fer_core.faces.boxes import intersection

UNSURE: Final = "not sure"
"""Caption of a face below the threshold."""
_UNSURE_COLOR: Final = (150, 150, 150)
MAX_BARS: Final = 8
"""Most bars per face; with more classes, only the most probable get one."""


def rgb(color: str) -> tuple[int, int, int]:
    """RGB values of a hex color: ``#D55E00`` -> (213, 94, 0)."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def draw_marks(
    image: npt.NDArray[np.uint8], marks: Sequence[Mark], *, mirror: bool = False, bars: bool = True
) -> npt.NDArray[np.uint8]:
    """Draw the box, number, label and probabilities of every face on a copy of ``image``; returns uint8 RGB (H, W, 3).

    Args:
        image: uint8 RGB (H, W, 3) or gray (H, W); never changed.
        marks: the faces.
        mirror: flip image and boxes horizontally.
        bars: draw a bar for each probability next to the box, for at most :data:`MAX_BARS` classes.
    """
    import cv2

    height, width = image.shape[:2]
    drawn = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    if mirror:
        drawn = np.asarray(cv2.flip(drawn, 1), dtype=np.uint8)
        marks = [mark.mirrored(width) for mark in reversed(marks)]
    else:
        drawn = drawn.copy()
    unit = max(1, round(min(width, height) / 240))  # line width
    for mark in marks:
        color = _UNSURE_COLOR if mark.abstained else rgb(mark.classes.colors[mark.label])
        x, y, w, h = (round(v) for v in mark.box)
        cv2.rectangle(drawn, (x, y), (x + w, y + h), (0, 0, 0), unit + 2)
        cv2.rectangle(drawn, (x, y), (x + w, y + h), color, unit)
        _caption(drawn, mark, x, y, h, color, unit)
        if bars:
            _bars(drawn, mark, [other for other in marks if other is not mark], unit)
    return drawn


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
    if top < 0:  # the caption does not fit above the face
        top = min(y + h, image.shape[0] - height - base - 2 * unit)
    top = max(0, top)
    cv2.rectangle(image, (x, top), (x + width + 2 * unit, top + height + base + 2 * unit), color, -1)
    ink = (0, 0, 0) if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 120 else (255, 255, 255)
    origin = (x + unit, top + height + unit)
    draw_text(image, text, origin, scale=scale, color=ink, thickness=unit)


def _bars(image: npt.NDArray[np.uint8], mark: Mark, others: list[Mark], unit: int) -> None:
    """Draw a bar per class next to the box, or inside its lower part if an edge or another face is in the way."""
    import cv2

    x, y, w, h = (round(v) for v in mark.box)
    indices = _most_probable(mark)
    length, thick = max(24, w // 3), max(3, h // (2 * len(indices)))
    tall = len(indices) * (thick + unit)
    positions = [(x + w + 3 * unit, y), (x - length - 3 * unit, y), (x + 2 * unit, y + h - tall - unit)]
    for left, top in positions[:2]:
        inside = left >= 0 and left + length <= image.shape[1]
        if inside and not any(intersection((left, top, length, tall), other.box) for other in others):
            break
    else:
        left, top = positions[2]
    for line, index in enumerate(indices):
        row = top + line * (thick + unit)
        patch = image[max(row, 0) : max(row + thick, 0), max(left, 0) : max(left + length, 0)]
        if not patch.size:
            continue
        patch[:] = patch // 2  # darken the background, so that bars are legible on any image
        end = left + round(length * mark.probabilities[index])
        if end > left:
            cv2.rectangle(image, (left, row), (end - 1, row + thick - 1), rgb(mark.classes.colors[index]), -1)


def _most_probable(mark: Mark) -> list[int]:
    """Indices of the classes with a bar, from the top down: all in order, or only the most probable."""
    order = list(range(len(mark.probabilities)))
    if len(order) <= MAX_BARS:
        return order
    return sorted(order, key=lambda i: -mark.probabilities[i])[:MAX_BARS]
