"""Manual occlusion: gray out a rectangle of a face and predict again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.inference import Classifier
from fer_core.preprocess import FACE_SIZE, as_faces


@dataclass(frozen=True, eq=False)
class Occluded:
    """Result of an occlusion.

    Attributes:
        face: uint8 (48, 48), the occluded face.
        before, after: float32 (C,), probabilities without and with the occlusion.
    """

    face: npt.NDArray[np.uint8]
    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]


def occlude(
    classifier: Classifier, face: npt.NDArray[np.generic], left: int, top: int, width: int, height: int
) -> Occluded:
    """Fill a rectangle of a face with the mean gray of the training faces, and classify it.

    Args:
        classifier: The network; its preprocessing defines the gray value.
        face: uint8 (48, 48); it is not modified.
        left, top, width, height: Rectangle in pixels of the face; it may extend beyond the edges.

    Raises:
        ImageError: the rectangle covers no pixel of the face.
    """
    original = as_faces(face)[0]
    right, bottom = min(left + width, FACE_SIZE), min(top + height, FACE_SIZE)
    x, y = max(left, 0), max(top, 0)
    if x >= right or y >= bottom:
        raise ImageError(
            f"The patch must cover at least one of the face's {FACE_SIZE}×{FACE_SIZE} pixels; "
            f"this one starts at ({left}, {top}) and measures {width}×{height}."
        )
    patched = original.copy()
    patched[y:bottom, x:right] = round(255 * classifier.info.preprocess.mean)
    before, after = classifier.probabilities(np.stack([original, patched]))
    return Occluded(patched, before, after)
