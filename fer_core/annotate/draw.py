"""Draws boxes, numbers, labels and probability bars on a copy of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.annotate.mark import Mark
from fer_core.annotate.text import draw_text, drawn_name, text_size
from fer_core.faces.boxes import intersection

UNSURE: Final = "not sure"
"""Caption of a face below the threshold."""
_UNSURE_COLOR: Final = (150, 150, 150)
_NAME_COLOR: Final = (255, 255, 255)
MAX_BARS: Final = 8
"""Most bars per face; with more classes, only the most probable get one."""
_BARS_INSIDE: Final = 3
"""Most bars over a face without space next to it."""


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
        bars: draw a named bar for each probability next to the box, for at most :data:`MAX_BARS` classes.
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
    """Draw named bars on a dark panel: right of the box, left of it or below it, wherever the edge and the other faces
    leave space; otherwise the three most probable classes over the lower part of the box."""
    x, y, w, h = (round(v) for v in mark.box)
    panel = _Panel.of(mark, _most_probable(mark, MAX_BARS), unit)
    beside = min(max(y, 0), max(0, image.shape[0] - panel.height))
    for left, top in (
        (x + w + 2 * unit, beside),
        (x - panel.width - 2 * unit, beside),
        (x + (w - panel.width) // 2, y + h + 2 * unit),
    ):
        inside = 0 <= left <= image.shape[1] - panel.width and 0 <= top <= image.shape[0] - panel.height
        area = (left, top, panel.width, panel.height)
        if inside and not any(intersection(area, other.box) for other in others):
            panel.draw(image, mark, left, top)
            return
    panel = _Panel.of(mark, _most_probable(mark, _BARS_INSIDE), unit)
    panel.draw(image, mark, x + (w - panel.width) // 2, y + h - panel.height - unit)


@dataclass(frozen=True)
class _Panel:
    """The classes drawn beside a face, and the pixels that their names and bars take."""

    shown: list[int]
    names: list[str]
    scale: float
    letters: int
    tall: int
    length: int
    unit: int

    @classmethod
    def of(cls, mark: Mark, shown: list[int], unit: int) -> _Panel:
        names = [drawn_name(mark.classes, index) for index in shown]
        scale = 0.14 * unit + 0.16
        sizes = [text_size(name, scale) for name in names]
        letters, tall = max(size[0] for size in sizes), max(size[1] for size in sizes)
        return cls(shown, names, scale, letters, tall, max(24, round(mark.box[2]) // 3), unit)

    @property
    def row(self) -> int:
        return self.tall + 2 * self.unit

    @property
    def width(self) -> int:
        return self.letters + self.length + 6 * self.unit

    @property
    def height(self) -> int:
        return len(self.shown) * self.row + 2 * self.unit

    def draw(self, image: npt.NDArray[np.uint8], mark: Mark, left: int, top: int) -> None:
        import cv2

        left = min(max(left, 0), max(0, image.shape[1] - self.width))
        top = min(max(top, 0), max(0, image.shape[0] - self.height))
        ground = image[top : top + self.height, left : left + self.width]
        ground[:] = ground // 3  # dark enough for names and bars on any frame
        start = left + self.letters + 4 * self.unit
        for place, (index, name) in enumerate(zip(self.shown, self.names, strict=True)):
            middle = top + self.unit + place * self.row + self.row // 2
            base = (left + 2 * self.unit, middle + self.tall // 2)
            draw_text(image, name, base, scale=self.scale, color=_NAME_COLOR)
            end = start + round(self.length * mark.probabilities[index])
            if end > start:
                half = max(1, self.tall // 2 - 1)
                color = rgb(mark.classes.colors[index])
                cv2.rectangle(image, (start, middle - half), (end - 1, middle + half), color, -1)


def _most_probable(mark: Mark, most: int) -> list[int]:
    """Positions of the classes that have a bar, from the top down: all in order, or the most probable of many."""
    order = list(range(len(mark.probabilities)))
    if len(order) <= most:
        return order
    return sorted(order, key=lambda i: -mark.probabilities[i])[:most]
