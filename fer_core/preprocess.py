"""Converts gray pixels to network input: the only place with size, interpolation, mean and standard deviation.

Training, evaluation, photos, video, webcam and the command line all use it, so that a network never sees faces scaled
differently from those it was trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fer_core.config import PreprocessConfig
from fer_core.errors import ImageError

if TYPE_CHECKING:
    import torch

FACE_SIZE = 48
"""Side of a face in pixels, as in FER2013."""

Faces = npt.NDArray[np.uint8]
"""Gray faces, uint8, shape (N, 48, 48)."""


def as_faces(faces: npt.NDArray[np.generic]) -> Faces:
    """Check that ``faces`` is a uint8 array of shape (N, 48, 48), or one face (48, 48), which gets a first axis.

    Raises:
        ImageError: shape or dtype differ.
    """
    array = np.asarray(faces)
    if array.ndim == 2:
        array = array[None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[1:] != (FACE_SIZE, FACE_SIZE):
        raise ImageError(
            f"Faces must be a uint8 array of shape (N, {FACE_SIZE}, {FACE_SIZE}); "
            f"got {array.dtype} of shape {array.shape}. Use fer_core.preprocess.to_face to create one."
        )
    return array


def to_grey(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Convert uint8 or uint16 (H, W), (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4) to gray uint8 (H, W).

    The luma weights are those of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), as in FER2013 and Pillow's "L" mode; transparent
    pixels are blended with mid-gray; 16-bit values are divided by 257.

    Raises:
        ImageError: shape or dtype differ, or the image is empty.
    """
    import cv2

    array = np.asarray(image)
    if array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise ImageError(
            f"An image must be uint8 or uint16 with 1, 3 or 4 channels; got {array.dtype} of shape {array.shape}."
        )
    if channels == 1:
        return np.ascontiguousarray(array.reshape(array.shape[:2]))
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(array[..., :3]), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    if channels == 4:
        alpha = array[..., 3].astype(np.float32) / 255
        grey = np.rint(grey * alpha + 128 * (1 - alpha)).astype(np.uint8)
    return grey


def to_face(image: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Resize a gray or color crop of any size to one face (48, 48) uint8.

    Uses area averaging to shrink (no aliasing) and bilinear interpolation to enlarge. A 48×48 crop is returned unchanged.

    Raises:
        ImageError: the crop is not an image or is empty.
    """
    import cv2

    grey = to_grey(image)
    if grey.shape == (FACE_SIZE, FACE_SIZE):
        return grey
    shrinks = min(grey.shape) >= FACE_SIZE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (FACE_SIZE, FACE_SIZE), interpolation=method), dtype=np.uint8)


def to_tensor(faces: npt.NDArray[np.generic] | torch.Tensor, config: PreprocessConfig) -> torch.Tensor:
    """Convert faces uint8 (N, 48, 48), array or tensor on any device, to float32 (N, 1, 48, 48): (x / 255 - mean) / std.

    Raises:
        ImageError: the array has another shape or dtype.
    """
    import torch

    pixels = torch.from_numpy(np.array(as_faces(faces), order="C")) if not isinstance(faces, torch.Tensor) else faces
    return normalize(pixels.unsqueeze(1).float(), config)  # (N, 1, 48, 48)


def normalize(pixels: torch.Tensor, config: PreprocessConfig) -> torch.Tensor:
    """Normalize float pixels in 0…255, of any shape: (x / 255 - mean) / std."""
    return (pixels * (1 / 255) - config.mean) / config.std
