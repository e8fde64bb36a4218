"""The one encoder of images: pixels to the bytes of a PNG, JPEG or WebP file, or to a file."""

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
"""File extensions that can be written."""
_JPEG_QUALITY: Final = 88


def encode(pixels: Pixels, suffix: str, *, fast: bool = False) -> bytes:
    """Encode gray (H, W) or RGB (H, W, 3) pixels as an image file.

    Args:
        pixels: uint8.
        suffix: the format, one of :data:`WRITTEN_SUFFIXES`.
        fast: prefer speed, for images shown immediately: PNG files become somewhat larger, JPEG files smaller.
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
    """Encode gray (H, W) or RGB (H, W, 3) pixels as PNG."""
    return encode(pixels, ".png", fast=fast)


def base64_png(pixels: Pixels) -> str:
    """Encode a small image as base64 PNG text, for HTML and components."""
    return base64.b64encode(png(pixels, fast=True)).decode()


def write_image(path: str | Path, pixels: Pixels) -> None:
    """Write gray (H, W) or RGB (H, W, 3) pixels as an image file; its extension determines the format.

    Raises:
        ImageError: the extension is not that of an image.
        WorkspaceError: the file cannot be written.
    """
    suffix = check_image_name(path)
    with atomic_write(Path(path)) as file:
        file.write(encode(pixels, suffix))


def check_image_name(path: str | Path) -> str:
    """Return a file's extension if images can be written in that format.

    Raises:
        ImageError: they cannot.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ImageError(f"'{path}' does not have an image extension. Use .png, .jpg or .webp.")
    return suffix
