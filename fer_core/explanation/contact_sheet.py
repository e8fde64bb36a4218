"""Contact sheets of small images, and conversion of values to gray pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.images import enlarge

GrayImage = npt.NDArray[np.uint8]

_GAP: Final = 6  # pixels between two images
_LINE: Final = 16  # pixels for the caption above an image


def to_gray(values: npt.NDArray[np.floating]) -> GrayImage:
    """Convert values to gray pixels, uint8 of the same shape: zero is mid-gray, white positive, black negative.

    All values share one scale, the 99.5th percentile of the absolute values, so maps stay comparable and outliers do
    not hide the rest.
    """
    finite = np.nan_to_num(np.asarray(values, dtype=np.float64))
    top = float(np.percentile(np.abs(finite), 99.5)) or float(np.abs(finite).max()) or 1.0
    return np.asarray(np.rint(127.5 + 127.5 * np.clip(finite / top, -1, 1)), dtype=np.uint8)


def contact_sheet(
    images: Sequence[GrayImage] | GrayImage,
    captions: Sequence[str],
    *,
    columns: int = 16,
    side: int = 96,
    smooth: bool = True,
    empty: Collection[int] = (),
) -> GrayImage:
    """Draw images in rows with captions above them, black on white, uint8 (H, W).

    Args:
        images: gray images, uint8 (h, w) of any size, resized to ``side``×``side`` pixels.
        captions: a short caption for each image.
        columns: maximum number of images per row.
        side: side of each image on the sheet, in pixels.
        smooth: interpolate when enlarging; False keeps pixels as squares, for weights.
        empty: positions to draw as a crossed-out box.

    Raises:
        ImageError: there are no images, or the number of captions differs.
    """
    import cv2

    if not len(images) or len(captions) != len(images):
        raise ImageError(
            f"A contact sheet needs one caption per image; there are {len(images)} images and {len(captions)} captions."
        )
    columns = min(columns, len(images))
    wide, high = side + _GAP, side + _GAP + _LINE
    page = np.full((-(-len(images) // columns) * high + _GAP, columns * wide + _GAP), 255, dtype=np.uint8)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        top, left = _GAP + number // columns * high, _GAP + number % columns * wide
        cv2.putText(page, caption, (left, top + _LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 60, 1, cv2.LINE_AA)
        box = page[top + _LINE : top + _LINE + side, left : left + side]
        if number in empty:
            box[:] = 235
            cv2.line(box, (0, 0), (side - 1, side - 1), 170, 1, cv2.LINE_AA)
            cv2.line(box, (0, side - 1), (side - 1, 0), 170, 1, cv2.LINE_AA)
        else:
            box[:] = enlarge(image, side, smooth=smooth)
    return page
