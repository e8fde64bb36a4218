from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fer_core.errors import ImageError
from fer_core.images import base64_png, encode, enlarge, fit, png, write_image

COLOR = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
GRAY = COLOR[..., 0]


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("pixels", [COLOR, GRAY], ids=["color", "gray"])
def test_a_png_holds_the_pixels(pixels, fast):
    assert np.array_equal(opened(png(pixels, fast=fast)), pixels)
    assert np.array_equal(opened(base64.b64decode(base64_png(pixels))), pixels)


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP"), (".png", "PNG")])
def test_the_ending_names_the_format(tmp_path, suffix, kind):
    assert Image.open(io.BytesIO(encode(COLOR, suffix))).format == kind
    write_image(tmp_path / f"x{suffix.upper()}", COLOR)
    with Image.open(tmp_path / f"x{suffix.upper()}") as image:
        assert (image.format, image.size) == (kind, (30, 20))


def test_other_endings_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ImageError, match=r"Use \.png, \.jpg or \.webp"):
        write_image(tmp_path / "x.exe", COLOR)
    assert list(tmp_path.iterdir()) == []


def test_enlarged_without_smoothing_each_pixel_is_a_square():
    small = np.array([[0, 255], [255, 0]], np.uint8)
    assert np.array_equal(enlarge(small, 8, smooth=False), np.kron(small, np.ones((4, 4), np.uint8)))
    assert len(np.unique(enlarge(small, 8))) > 2


def test_a_picture_fits_and_keeps_its_proportions():
    assert fit(COLOR, 15).shape == (10, 15, 3)
    assert fit(COLOR, 60) is COLOR
    assert fit(COLOR, 60, enlarge=True).shape == (40, 60, 3)
    assert fit(GRAY, 15).shape == (10, 15)
    assert np.abs(fit(COLOR, 15).astype(int) - COLOR.reshape(10, 2, 15, 2, 3).mean(axis=(1, 3))).max() <= 1
