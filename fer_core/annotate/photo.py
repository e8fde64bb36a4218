"""Drawing on photographs."""

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
    """A photograph uint8 RGB (H, W, 3) with every face of its result boxed, numbered from 1 and named.

    Args:
        rgb: The photograph the result is of, or a reduced copy of it.
        result: Its faces.
        longest_side: Pixels the picture is reduced to before drawing, so that lines and letters keep their size.
    """
    if longest_side is not None:
        rgb = fit(rgb, longest_side)
    return draw_marks(rgb, photo_marks(result, rgb.shape[1]), bars=False)


def photo_marks(result: PhotoResult, width: int) -> list[Mark]:
    """The faces of a photograph as marks on a copy of it that is ``width`` pixels wide."""
    scale = width / max(1, result.width)
    marks = []
    for number, face in enumerate(result.faces, start=1):
        x, y, w, h = (v * scale for v in face.box(result.width, result.height))
        probabilities = face.probabilities.tolist()
        marks.append(Mark((x, y, w, h), number, face.classes, face.position, probabilities, face.abstained))
    return marks
