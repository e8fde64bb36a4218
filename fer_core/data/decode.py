"""The bytes of one image file to one grey face, with hostile files refused before they are decoded."""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.preprocess import to_face

MAX_BYTES = 64 * 2**20
"""Largest image file that is read."""
MAX_SIDE = 16_384
MAX_PIXELS = 50_000_000
"""Largest image that is decoded; a face needs 48 pixels, a phone's photograph has some 4,000."""
MIN_SIDE = 8
"""Below this nothing of a face is left."""

_PILLOW_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"P5", b"P6")
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
"""JPEG markers without a length after them: TEM and the restart markers."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame, which tells width and height."""


class BrokenFile(Exception):
    """One file of a data set cannot be used; ``str(error)`` is the reason, to stand after the file's name."""


def looks_like_image(data: bytes) -> bool:
    """Whether the first bytes are those of an image format that is read here."""
    return data.startswith(_MAGIC)


def decode_face(data: bytes) -> npt.NDArray[np.uint8]:
    """One face (48, 48) uint8 from the bytes of an image file, grey or colour, of any size.

    JPEG, PNG, BMP, GIF (first frame), WebP, TIFF and PPM are read; rotation told by EXIF is applied.

    Raises:
        BrokenFile: the bytes are no image, are cut short, or declare a size that is refused.
    """
    try:
        return to_face(decode(data))
    except ImageError as error:
        raise BrokenFile(str(error)) from error


def decode(data: bytes) -> npt.NDArray[np.generic]:
    """Pixels of an image file: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16.

    Raises:
        BrokenFile: the bytes are no image, are cut short, or declare a size that is refused.
    """
    if not data:
        raise BrokenFile("is empty")
    size = _jpeg_size(data)
    # A whole JPEG is what FER2013 is made of: OpenCV decodes it three times as fast as Pillow. Some of its versions
    # decode one that was cut short, too, to a half-grey face; so those go to Pillow, which refuses them.
    if size is not None and data.endswith(b"\xff\xd9"):
        _check_size(*size)
        return _decode_jpeg(data)
    return _decode_with_pillow(data)


def _check_size(width: int, height: int) -> None:
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise BrokenFile(f"is {width:,}×{height:,} pixels, more than the {MAX_PIXELS // 10**6} million allowed")
    if width < MIN_SIDE or height < MIN_SIDE:
        raise BrokenFile(f"is {width}×{height} pixels, too small to show a face")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a grey or colour JPEG; None for CMYK, odd headers and other formats."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            return (width, height) if components in (1, 3) else None
        if marker == 0xFF:
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _decode_jpeg(data: bytes) -> npt.NDArray[np.generic]:
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise BrokenFile("cannot be decoded") from error
    if pixels is None:
        raise BrokenFile("cannot be decoded")
    array: npt.NDArray[np.generic] = np.asarray(pixels)
    return array if array.ndim == 2 else array[..., ::-1]  # OpenCV's order is BGR


def _decode_with_pillow(data: bytes) -> npt.NDArray[np.generic]:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            _check_size(*image.size)
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):
                return np.asarray(upright).astype(np.uint16)
            if upright.mode not in ("L", "RGB", "RGBA"):
                grey = upright.mode in ("1", "I", "F")
                transparent = "transparency" in upright.info or upright.mode in ("LA", "PA", "La", "RGBa")
                upright = upright.convert("RGBA" if transparent else "L" if grey else "RGB")
            return np.asarray(upright)
    except BrokenFile:
        raise
    except UnidentifiedImageError as error:
        raise BrokenFile("is no image that can be read") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenFile(f"declares more than the {MAX_PIXELS // 10**6} million pixels allowed") from error
    except Exception as error:  # Pillow's readers raise a dozen kinds of errors on damaged bytes
        raise BrokenFile("is damaged or cut short") from error
