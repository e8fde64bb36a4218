"""The one encoder of pictures: pixels to the bytes of a PNG, JPEG or WebP file, or to a file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.workspace import atomic_write

Pixels = npt.NDArray[np.uint8]
"""Gray (H, W) or RGB (H, W, 3) pixels."""

WRITTEN_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of the files that can be written."""
_JPEG_QUALITY: Final = 88


def encode(pixels: Pixels, suffix: str, *, fast: bool = False) -> bytes:
    """Gray (H, W) or RGB (H, W, 3) pixels as the bytes of an image file.

    Args:
        pixels: uint8.
        suffix: names the format, one of :data:`WRITTEN_SUFFIXES`.
        fast: for a picture that is shown at once: a PNG grows somewhat larger, a JPEG smaller.
    """
    import cv2

    turned = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    options: list[int] = []
    if fast and suffix == ".png":
        options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    elif fast and suffix in (".jpg", ".jpeg"):
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return bytes(cv2.imencode(suffix, turned, options)[1].tobytes())


def png(pixels: Pixels, *, fast: bool = False) -> bytes:
    """Gray (H, W) or RGB (H, W, 3) pixels as the bytes of a PNG file."""
    return encode(pixels, ".png", fast=fast)


def base64_png(pixels: Pixels) -> str:
    """A small picture as base64 text of a PNG file, for HTML and components."""
    return base64.b64encode(png(pixels, fast=True)).decode()


def write_image(path: str | Path, pixels: Pixels) -> None:
    """Write gray (H, W) or RGB (H, W, 3) pixels as an image; the ending names the format.

    Raises:
        ImageError: the ending is not one of an image.
        WorkspaceError: the file cannot be written.
    """
    suffix = check_image_name(path)
    with atomic_write(Path(path)) as file:
        file.write(encode(pixels, suffix))


def check_image_name(path: str | Path) -> str:
    """The ending of a file's name, where it is one of an image that can be written.

    Raises:
        ImageError: it is not.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ImageError(f"'{path}' does not end like an image. Use .png, .jpg or .webp.")
    return suffix
