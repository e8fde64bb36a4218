from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_core.errors import UnreadableImage
from fer_core.images import decode_face
from fer_core.preprocess import to_face
from tests.source_factory import encode, face


def colour(seed: int = 0, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    return np.stack([face(seed + i, size) for i in range(3)], axis=2)


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds almost nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def jpeg_of_declared_size(width: int, height: int) -> bytes:
    """A whole small JPEG whose header was changed to declare another size."""
    data = bytearray(encode(face(0), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF", "PPM"])
def test_a_grey_face_of_48_pixels_comes_back_unchanged(form):
    assert (decode_face(encode(face(1), form)) == face(1)).all()


def test_a_grey_jpeg_decodes_as_pillow_decodes_it():
    data = encode(face(2), "JPEG", quality=90)
    assert (decode_face(data) == np.asarray(Image.open(io.BytesIO(data)))).all()


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "TIFF"])
def test_a_colour_image_of_any_size_becomes_the_face_that_preprocessing_makes(form):
    options = {"lossless": True} if form == "WEBP" else {}
    assert (decode_face(encode(colour(), form, **options)) == to_face(colour())).all()


def test_a_colour_jpeg_keeps_its_channels_in_order():
    red = np.zeros((48, 48, 3), np.uint8)
    red[..., 0] = 255
    assert abs(int(decode_face(encode(red, "JPEG"))[24, 24]) - round(0.299 * 255)) <= 2


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_rotation_told_by_exif_is_applied(form, orientation):
    upright = np.zeros((48, 48), np.uint8)
    upright[:24, :24] = 255
    turned = np.rot90(upright, {3: 2, 6: 1, 8: 3}[orientation])  # as the camera stored it
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_face(encode(np.ascontiguousarray(turned), form, exif=exif))
    assert np.abs(decoded.astype(int) - upright).max() < 40


def test_transparent_pixels_lie_on_mid_grey():
    image = np.zeros((48, 48, 4), np.uint8)
    assert (decode_face(encode(image, "PNG")) == 128).all()


def test_pictures_with_palettes_sixteen_bits_cmyk_and_one_bit_are_read():
    grey = face(3)
    palette = io.BytesIO()
    Image.fromarray(grey).convert("P").save(palette, "PNG")
    assert (decode_face(palette.getvalue()) == grey).all()
    assert (decode_face(encode(grey.astype(np.uint16) * 257, "PNG")) == grey).all()
    one_bit = io.BytesIO()
    Image.fromarray(grey > 128).save(one_bit, "PNG")
    assert (decode_face(one_bit.getvalue()) == np.where(grey > 128, 255, 0)).all()
    cmyk = io.BytesIO()
    Image.fromarray(np.stack([grey] * 3, axis=2)).convert("CMYK").save(cmyk, "JPEG", quality=95)
    assert np.abs(decode_face(cmyk.getvalue()).astype(int) - grey).max() < 20


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.fromarray(face(i)) for i in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert (decode_face(buffer.getvalue()) == face(0)).all()


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_a_file_cut_short_is_broken_and_never_half_a_face(form, cut):
    data = encode(face(4, (96, 96)), form)
    with pytest.raises(UnreadableImage):
        decode_face(data[: int(len(data) * cut)])


def test_a_jpeg_cut_short_never_reaches_opencv(monkeypatch):
    """Some versions of it return half a face."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.zeros((48, 48), np.uint8))
    data = encode(face(4), "JPEG")
    with pytest.raises(UnreadableImage, match="truncated"):
        decode_face(data[: len(data) * 3 // 4])


def test_bytes_after_the_end_of_a_jpeg_do_no_harm():
    data = encode(face(5), "JPEG")
    assert (decode_face(data + b"\0\0\n") == decode_face(data)).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "a text file"),
        (b"\xff\xd8\xff\xd9", "not an image|damaged"),
        (b"\xff\xd8\xff" + b"\xff" * 500 + b"\xff\xd9", "not an image|damaged"),
        (b"\x89PNG\r\n\x1a\n", "not an image|damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%!PS-Adobe", "a text file"),
        (encode(face(0, (7, 48))), "too small"),
        (encode(face(0, (1, 1)), "JPEG"), "too small"),
    ],
)
def test_bytes_that_are_no_face_are_broken_with_a_reason(data, reason):
    with pytest.raises(UnreadableImage, match=reason):
        decode_face(data)


@pytest.mark.parametrize(
    "data",
    [
        png_header(30_000, 30_000),
        png_header(100_000, 10),
        jpeg_of_declared_size(65_000, 65_000),
        jpeg_of_declared_size(20_000, 16),
    ],
)
def test_huge_declared_sizes_are_refused_before_decoding(data, monkeypatch):
    def decoding(*_: object) -> None:
        raise AssertionError("the image was decoded")

    monkeypatch.setattr(cv2, "imdecode", decoding)
    monkeypatch.setattr(Image.Image, "load", decoding)
    with pytest.raises(UnreadableImage, match="million"):
        decode_face(data)
