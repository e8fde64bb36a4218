"""Occlusion by hand: a rectangle of a face covered with plain grey, and what the network says then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.inference import Classifier
from fer_core.preprocess import FACE_SIZE, as_faces


@dataclass(frozen=True, eq=False)
class Occluded:
    """A face with a patch over it.

    Attributes:
        face: uint8 (48, 48), what the network saw.
        before, after: float32 (C,), probabilities without and with the patch.
    """

    face: npt.NDArray[np.uint8]
    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]


def occlude(
    classifier: Classifier, face: npt.NDArray[np.generic], left: int, top: int, width: int, height: int
) -> Occluded:
    """Fill a rectangle of ``face`` (uint8 (48, 48)) with the grey the network takes for nothing, and classify it.

    Args:
        classifier: The network; its preprocessing names the grey, the mean of the training faces.
        face: The face; it is not changed.
        left, top, width, height: Pixels of the face; the rectangle may reach beyond its edges.

    Raises:
        ImageError: the rectangle covers no pixel of the face.
    """
    original = as_faces(face)[0]
    right, bottom = min(left + width, FACE_SIZE), min(top + height, FACE_SIZE)
    x, y = max(left, 0), max(top, 0)
    if x >= right or y >= bottom:
        raise ImageError(
            f"The patch must cover at least one of the face's {FACE_SIZE}×{FACE_SIZE} pixels; "
            f"this one begins at ({left}, {top}) and measures {width}×{height}."
        )
    patched = original.copy()
    patched[y:bottom, x:right] = round(255 * classifier.info.preprocess.mean)
    before, after = classifier.probabilities(np.stack([original, patched]))
    return Occluded(patched, before, after)
