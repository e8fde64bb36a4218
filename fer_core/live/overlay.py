"""Drawing on frames: boxes, numbers, labels, bars. Never in place."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import COLOURS
from fer_core.live.processor import FrameResult, LiveFace
from fer_core.photos import PhotoResult

UNSURE: Final = "not sure"
_UNSURE_COLOUR: Final = (150, 150, 150)


def rgb(colour: str) -> tuple[int, int, int]:
    """``#D55E00`` -> (213, 94, 0)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mirrored(frame: npt.NDArray[np.uint8], result: FrameResult) -> tuple[npt.NDArray[np.uint8], FrameResult]:
    """Frame and boxes as in a mirror; the crops and probabilities stay those of the real picture."""
    from dataclasses import replace

    import cv2

    faces = tuple(
        replace(face, box=(result.width - face.box[0] - face.box[2], *face.box[1:])) for face in reversed(result.faces)
    )
    return np.asarray(cv2.flip(frame, 1), dtype=np.uint8), replace(result, faces=faces)


def draw(
    frame: npt.NDArray[np.uint8], result: FrameResult, *, mirror: bool = False, bars: bool = True
) -> npt.NDArray[np.uint8]:
    """A copy of ``frame`` (uint8 RGB (H, W, 3) or grey (H, W)) with every face marked; uint8 RGB (H, W, 3)."""
    import cv2

    image = frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2)
    if mirror:
        image, result = mirrored(image, result)
    image = image.copy()
    unit = max(1, round(min(result.width, result.height) / 240))  # line width
    for face in result.faces:
        colour = _UNSURE_COLOUR if face.abstained else rgb(COLOURS.get(face.label, "#969696"))
        x, y, w, h = (round(v) for v in face.box)
        cv2.rectangle(image, (x, y), (x + w, y + h), (0, 0, 0), unit + 2)
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, unit)
        _caption(image, face, x, y, h, colour, unit)
        if bars:
            _bars(image, face, [other for other in result.faces if other is not face], result.labels, unit)
    return image


def draw_photo(
    rgb: npt.NDArray[np.uint8], result: PhotoResult, longest_side: int | None = None
) -> npt.NDArray[np.uint8]:
    """A photograph uint8 RGB (H, W, 3) with every face of its result boxed, numbered from 1 and named.

    Args:
        rgb: The photograph the result is of, or a reduced copy of it.
        result: Its faces.
        longest_side: Pixels the picture is reduced to before drawing, so that lines and letters keep their size.
    """
    import cv2

    scale = min(1.0, (longest_side or max(rgb.shape[:2])) / max(rgb.shape[:2]))
    if scale < 1:
        size = max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    height, width = rgb.shape[:2]
    scale = width / max(1, result.width)  # from the photograph to what is drawn on
    faces = []
    for number, face in enumerate(result.faces, start=1):
        x, y, w, h = (v * scale for v in face.box(result.width, result.height))
        p, best = face.probabilities, face.probability
        faces.append(
            LiveFace(number, (x, y, w, h), face.label, best, face.abstained, p, p, face.crop, face.score or 1.0)
        )
    labels = result.faces[0].labels if result.faces else ()
    return draw(rgb, FrameResult(0.0, width, height, labels, tuple(faces)), bars=False)


def _caption(
    image: npt.NDArray[np.uint8], face: LiveFace, x: int, y: int, h: int, colour: tuple[int, int, int], unit: int
) -> None:
    import cv2

    percent = round(100 * face.probability)
    text = f"{face.number} {UNSURE}" if face.abstained else f"{face.number} {face.label} {percent}%"
    scale = 0.28 * unit + 0.22
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, unit)
    x = int(np.clip(x, 0, max(0, image.shape[1] - width - 2 * unit)))
    top = y - height - base - 2 * unit
    if top < 0:  # no room above the face
        top = min(y + h, image.shape[0] - height - base - 2 * unit)
    top = max(0, top)
    cv2.rectangle(image, (x, top), (x + width + 2 * unit, top + height + base + 2 * unit), colour, -1)
    ink = (0, 0, 0) if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 120 else (255, 255, 255)
    place = (x + unit, top + height + unit)
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, unit, cv2.LINE_AA)


def _bars(
    image: npt.NDArray[np.uint8], face: LiveFace, others: list[LiveFace], labels: tuple[str, ...], unit: int
) -> None:
    """Seven bars beside the box, where neither the edge nor another face is in the way; else inside its lower part."""
    import cv2

    x, y, w, h = (round(v) for v in face.box)
    length, thick = max(24, w // 3), max(3, h // (2 * len(labels)))
    tall = len(labels) * (thick + unit)
    places = [(x + w + 3 * unit, y), (x - length - 3 * unit, y), (x + 2 * unit, y + h - tall - unit)]
    for left, top in places[:2]:
        inside = left >= 0 and left + length <= image.shape[1]
        if inside and not any(_meets((left, top, length, tall), other.box) for other in others):
            break
    else:
        left, top = places[2]
    for index, label in enumerate(labels):
        row = top + index * (thick + unit)
        patch = image[max(row, 0) : max(row + thick, 0), max(left, 0) : max(left + length, 0)]
        if not patch.size:
            continue
        patch[:] = patch // 2  # a dark ground, so that the bars read on any picture
        end = left + round(length * float(face.probabilities[index]))
        if end > left:
            cv2.rectangle(image, (left, row), (end - 1, row + thick - 1), rgb(COLOURS.get(label, "#969696")), -1)


def _meets(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    """Whether two boxes (left, top, width, height) share any area."""
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
