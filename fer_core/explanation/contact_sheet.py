"""Many small pictures on one sheet, and numbers as grey pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.images import enlarge

GrayImage = npt.NDArray[np.uint8]

_GAP: Final = 6  # pixels between two pictures of a sheet
_LINE: Final = 16  # pixels for the caption above a picture


def to_gray(values: npt.NDArray[np.floating]) -> GrayImage:
    """Numbers as grey pixels, uint8 of the same shape: zero is mid-grey, white positive, black negative.

    All are divided by one number, the 99.5th percentile of the sizes, so that strong and weak maps stay comparable
    and one outlier does not make the others invisible.
    """
    finite = np.nan_to_num(np.asarray(values, dtype=np.float64))
    top = float(np.percentile(np.abs(finite), 99.5)) or float(np.abs(finite).max()) or 1.0
    return np.asarray(np.rint(127.5 + 127.5 * np.clip(finite / top, -1, 1)), dtype=np.uint8)


def contact_sheet(
    pictures: Sequence[GrayImage] | GrayImage,
    captions: Sequence[str],
    *,
    columns: int = 16,
    side: int = 96,
    smooth: bool = True,
    empty: Collection[int] = (),
) -> GrayImage:
    """Pictures in rows under their captions, black on white, uint8 (H, W).

    Args:
        pictures: uint8 (h, w) each, of any size; drawn ``side`` pixels wide and high.
        captions: a few letters for each.
        columns: pictures in a row, at most.
        side: of a picture on the sheet, in pixels.
        smooth: enlarge smoothly; without it each pixel stays a square, for weights.
        empty: places where there is nothing to show; a crossed box stands there.

    Raises:
        ImageError: there are no pictures, or not as many captions.
    """
    import cv2

    if not len(pictures) or len(captions) != len(pictures):
        raise ImageError(f"A sheet needs pictures and as many captions; there are {len(pictures)} and {len(captions)}.")
    columns = min(columns, len(pictures))
    wide, high = side + _GAP, side + _GAP + _LINE
    page = np.full((-(-len(pictures) // columns) * high + _GAP, columns * wide + _GAP), 255, dtype=np.uint8)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        top, left = _GAP + number // columns * high, _GAP + number % columns * wide
        cv2.putText(page, caption, (left, top + _LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 60, 1, cv2.LINE_AA)
        box = page[top + _LINE : top + _LINE + side, left : left + side]
        if number in empty:
            box[:] = 235
            cv2.line(box, (0, 0), (side - 1, side - 1), 170, 1, cv2.LINE_AA)
            cv2.line(box, (0, side - 1), (side - 1, 0), 170, 1, cv2.LINE_AA)
        else:
            box[:] = enlarge(picture, side, smooth=smooth)
    return page
