"""Photographs and data sets share one decoder: the same file gives the same gray values at both entry points."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fer_core.images import decode_face, read_photo
from fer_core.preprocess import to_face
from tests.source_factory import face, heic

GRAY = face(3)
RGB = np.stack([face(3), face(4), face(5)], axis=2)
ALPHA = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def deep_rgb_png() -> bytes:
    """A PNG of 16 bits per channel, which Pillow cannot write."""
    import cv2

    return cv2.imencode(".png", (RGB.astype(np.uint16) * 257)[..., ::-1])[1].tobytes()


def palette(transparent: bool) -> bytes:
    image = Image.fromarray(RGB).quantize(32)
    return saved(image, "PNG", **({"transparency": 3} if transparent else {}))


FILES = {
    "PNG, 8-bit gray": lambda: saved(Image.fromarray(GRAY), "PNG"),
    "PNG, 16-bit gray": lambda: saved(Image.fromarray(GRAY.astype(np.uint16) * 257), "PNG"),
    "PNG, gray with alpha": lambda: saved(Image.merge("LA", (Image.fromarray(GRAY), Image.fromarray(ALPHA))), "PNG"),
    "PNG, RGB": lambda: saved(Image.fromarray(RGB), "PNG"),
    "PNG, RGBA": lambda: saved(Image.fromarray(np.dstack([RGB, ALPHA])), "PNG"),
    "PNG, 16-bit RGB": deep_rgb_png,
    "PNG, palette": lambda: palette(False),
    "PNG, palette with transparency": lambda: palette(True),
    "PNG, 1 bit": lambda: saved(Image.fromarray(GRAY > 127), "PNG"),
    "JPEG, gray": lambda: saved(Image.fromarray(GRAY), "JPEG", quality=95),
    "JPEG, RGB": lambda: saved(Image.fromarray(RGB), "JPEG", quality=95, subsampling=0),
    "JPEG, CMYK": lambda: saved(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=95),
    "TIFF, 8-bit gray": lambda: saved(Image.fromarray(GRAY), "TIFF"),
    "TIFF, 16-bit gray": lambda: saved(Image.fromarray(GRAY.astype(np.uint16) * 257), "TIFF"),
    "TIFF, 16-bit gray, big-endian": lambda: saved(
        Image.fromarray((GRAY.astype(np.uint16) * 257).astype(">u2")), "TIFF"
    ),
    "TIFF, 32-bit gray": lambda: saved(Image.fromarray(GRAY.astype(np.int32)), "TIFF"),
    "TIFF, float 0…1": lambda: saved(Image.fromarray(GRAY.astype(np.float32) / 255), "TIFF"),
    "TIFF, float 0…255": lambda: saved(Image.fromarray(GRAY.astype(np.float32)), "TIFF"),
    "TIFF, CMYK": lambda: saved(Image.fromarray(RGB).convert("CMYK"), "TIFF"),
    "TIFF, Lab": lambda: saved(Image.fromarray(RGB).convert("YCbCr"), "TIFF"),
    "BMP": lambda: saved(Image.fromarray(RGB), "BMP"),
    "GIF": lambda: saved(Image.fromarray(GRAY), "GIF"),
    "WebP": lambda: saved(Image.fromarray(RGB), "WEBP", lossless=True),
    "WebP, RGBA": lambda: saved(Image.fromarray(np.dstack([RGB, ALPHA])), "WEBP", lossless=True, exact=True),
    "PGM": lambda: saved(Image.fromarray(GRAY), "PPM"),
    "PGM, 16 bit": lambda: b"P5 48 48 65535\n" + (GRAY.astype(np.uint16) * 257).astype(">u2").tobytes(),
    "AVIF": lambda: saved(Image.fromarray(RGB), "AVIF", quality=90),
    "HEIC": lambda: heic(RGB),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_the_same_gray_values_as_a_photo_and_as_a_face_of_a_data_set(name):
    content = FILES[name]()
    as_face = decode_face(content).astype(int)
    as_photo = to_face(read_photo(content).rgb).astype(int)
    assert np.abs(as_face - as_photo).max() <= (2 if name.startswith("JPEG") else 1)


@pytest.mark.parametrize(
    "name",
    [n for n in FILES if "gray" in n and "alpha" not in n and "JPEG" not in n]
    + ["PGM", "PGM, 16 bit", "TIFF, float 0…1", "TIFF, float 0…255", "GIF"],
)
def test_gray_values_survive_in_every_bit_depth(name):
    """What the file means is known: the gray values it was made of."""
    assert np.abs(decode_face(FILES[name]()).astype(int) - GRAY).max() <= 1
