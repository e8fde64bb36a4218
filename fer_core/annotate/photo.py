"""Draws predictions on photos."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fer_core.annotate.draw import draw_marks
from fer_core.annotate.mark import Mark
from fer_core.images import fit
from fer_core.photos import PhotoResult


def draw_photo(
    rgb: npt.NDArray[np.uint8], result: PhotoResult, longest_side: int | None = None
) -> npt.NDArray[np.uint8]:
    """Draw the box, number (from 1) and label of every face on a copy of a photo; returns uint8 RGB (H, W, 3).

    Args:
        rgb: the photo, uint8 RGB (H, W, 3), or a downscaled version of it.
        result: the faces of the photo.
        longest_side: downscale the photo to this many pixels first, so that lines and letters keep their size.
    """
    if longest_side is not None:
        rgb = fit(rgb, longest_side)
    return draw_marks(rgb, photo_marks(result, rgb.shape[1]), bars=False)


def photo_marks(result: PhotoResult, width: int) -> list[Mark]:
    """Marks for the faces of a photo, scaled to a version of it that is ``width`` pixels wide."""
    scale = width / max(1, result.width)
    marks = []
    for number, face in enumerate(result.faces, start=1):
        x, y, w, h = (v * scale for v in face.box(result.width, result.height))
        probabilities = face.probabilities.tolist()
        marks.append(Mark((x, y, w, h), number, face.classes, face.position, probabilities, face.abstained))
    return marks
