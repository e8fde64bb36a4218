from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFile

from fer_core.errors import ImageError, UnreadableImage
from fer_core.images import PHOTO_LIMITS, Limits, decode_face, read_photo
from fer_core.images.formats import FORMATS, webp_size
from tests.source_factory import encode

RNG = np.random.default_rng(0)
BLOCKS = np.kron(RNG.integers(0, 256, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)  # 96×128, calm enough for JPEG


def pillow_bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be of any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def webp_header(kind: bytes, width: int, height: int) -> bytes:
    if kind == b"VP8X":
        body = b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0" * 20
    else:
        body = b"\0\0\0\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0" * 20
    chunk = kind + len(body).to_bytes(4, "little") + body
    return b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("JPEG", 12), ("WEBP", 12)]
)
def test_every_format_gives_the_same_rgb_pixels(kind, tolerance):
    photo = read_photo(encode(BLOCKS, kind))
    assert (photo.height, photo.width) == (96, 128)
    assert photo.rgb.shape == (96, 128, 3)
    assert photo.rgb.dtype == np.uint8
    assert np.abs(photo.rgb.astype(int) - BLOCKS).mean() <= tolerance
    assert photo.notes == ()
    with pytest.raises(ValueError, match="read-only"):
        photo.rgb[0, 0] = 0


def test_a_path_and_its_bytes_give_the_same(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(BLOCKS))
    assert np.array_equal(read_photo(path).rgb, read_photo(path.read_bytes()).rgb)
    assert np.array_equal(read_photo(str(path)).rgb, BLOCKS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_rotation_is_applied(orientation):
    # How a viewer undoes each of the eight EXIF orientations, written out with NumPy
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read_photo(pillow_bytes(Image.fromarray(BLOCKS), "PNG", exif=exif))
    assert np.array_equal(photo.rgb, undo(BLOCKS))


def test_damaged_exif_data_cost_the_rotation_only():
    good = pillow_bytes(Image.fromarray(BLOCKS), "JPEG", exif=b"Exif\0\0garbage that is no TIFF header at all")
    assert read_photo(good).rgb.shape == (96, 128, 3)


def test_grey_palette_one_bit_and_cmyk_become_rgb():
    rgb = Image.fromarray(BLOCKS)
    grey = read_photo(pillow_bytes(rgb.convert("L"), "PNG"))
    assert np.array_equal(grey.rgb, np.repeat(np.asarray(rgb.convert("L"))[..., None], 3, axis=2))
    assert np.array_equal(read_photo(pillow_bytes(rgb.convert("P", palette=Image.Palette.ADAPTIVE), "PNG")).rgb, BLOCKS)
    assert set(np.unique(read_photo(pillow_bytes(rgb.convert("1"), "PNG")).rgb)) <= {0, 255}
    cmyk = read_photo(pillow_bytes(rgb.convert("CMYK"), "JPEG", quality=100))
    assert np.abs(cmyk.rgb.astype(int) - BLOCKS).mean() < 6


def test_sixteen_bits_become_eight():
    deep = (np.arange(96 * 128, dtype=np.uint32).reshape(96, 128) * 65535 // (96 * 128)).astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        photo = read_photo(pillow_bytes(Image.fromarray(deep), kind))
        assert np.array_equal(photo.rgb[..., 0], np.rint(deep / 257).astype(np.uint8))
        assert np.array_equal(photo.rgb[..., 0], photo.rgb[..., 2])


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_floating_point_pixels_are_scaled_by_the_range_they_use(top):
    ramp = np.linspace(0, top, 96 * 128, dtype=np.float32).reshape(96, 128)
    photo = read_photo(pillow_bytes(Image.fromarray(ramp), "TIFF"))
    assert photo.rgb[0, 0, 0] == 0
    assert photo.rgb[-1, -1, 0] == 255
    assert abs(int(photo.rgb[48, 0, 0]) - 128) <= 1


def test_transparent_pixels_lie_on_mid_grey():
    rgba = np.dstack([BLOCKS, np.zeros((96, 128), np.uint8)])
    rgba[:48, :, 3] = 255
    photo = read_photo(encode(rgba))
    assert np.array_equal(photo.rgb[:48], BLOCKS[:48])
    assert (photo.rgb[48:] == 128).all()


def test_a_transparent_palette_colour_lies_on_mid_grey():
    image = Image.new("P", (20, 10), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert (read_photo(pillow_bytes(image, "GIF", transparency=1)).rgb == 128).all()
    assert (read_photo(pillow_bytes(image, "PNG", transparency=1)).rgb == 128).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_used_and_a_note_says_so(kind):
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue", "lime")]
    data = pillow_bytes(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    photo = read_photo(data)
    assert photo.notes == ("animated; the first frame is used",)
    red, _, blue = photo.rgb.reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert blue < 60


def test_of_several_pages_the_first_is_used_and_a_note_says_so():
    pages = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    photo = read_photo(pillow_bytes(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert photo.notes == ("contains several pages; the first is used",)
    assert photo.rgb[0, 0].tolist() == [255, 0, 0]


def test_a_wrong_ending_is_noted_and_the_content_decides(tmp_path):
    path = tmp_path / "really a png.JPG"
    path.write_bytes(encode(BLOCKS))
    photo = read_photo(path)
    assert photo.notes == ("named .jpg, but a PNG file",)
    assert np.array_equal(photo.rgb, BLOCKS)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in ("MPO", "HEIF")])  # HEIF: test_heic.py
def test_a_file_cut_short_anywhere_is_refused(kind):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {kind}")
    data = encode(RNG.integers(0, 256, (96, 128, 3)).astype(np.uint8), kind)
    for share in (0.01, 0.3, 0.6, 0.9, 0.98):
        with pytest.raises(ImageError) as refusal:
            read_photo(data[: int(len(data) * share)])
        assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"To whom it may concern,\nI am not a photograph.\n" * 40, "text file"),
        ("Ein Brief, kein Bild: Grüße aus Köln. ".encode() * 60, "text file"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="9"/>', "SVG"),
        (b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN'><svg/>", "SVG"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"\0" * 100, "PDF"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 100, "not an image|damaged"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 100, "video"),
        (b"\0" * 3000, "not an image"),
        (np.random.default_rng(1).bytes(3000), "not an image"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 3000, "damaged|not an image"),
        (b"PK\x03\x04" + b"\0" * 300, "not an image"),
        (b"GIF89a" + b"\0" * 3, "damaged|not an image"),
    ],
)
def test_what_is_no_photograph_is_refused_with_its_reason(data, reason):
    with pytest.raises(ImageError, match=reason):
        read_photo(data)


@pytest.mark.parametrize(
    "data",
    [
        png_header(30_000, 30_000),
        png_header(10_000, 9_000),  # between our limit and the one where Pillow would warn
        png_header(12_000, 12_000),  # where Pillow would warn
        png_header(70_000, 10),
        webp_header(b"VP8X", 16_000, 16_000),
        webp_header(b"VP8L", 16_000, 16_000),
        webp_header(b"VP8 ", 16_000, 16_000),
    ],
    ids=["png-900M", "png-90M", "png-144M", "png-wide", "webp-x", "webp-l", "webp"],
)
def test_bombs_are_refused_from_the_header_before_decoding(data, monkeypatch):
    def decode(*_: object) -> None:
        raise AssertionError("the bomb was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        with pytest.raises(ImageError, match=f"at most {PHOTO_LIMITS.max_pixels // 10**6} million"):
            read_photo(data)
    assert raised == []


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_bomb_is_refused_before_pillow_reserves_memory_for_it(kind, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("the file was opened"))
    with pytest.raises(ImageError, match="16,000×15,000 pixels"):
        read_photo(webp_header(kind, 16_000, 15_000))


def test_the_size_of_webp_files_is_read_as_pillow_reads_it():
    for options in ({}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}):
        assert webp_size(encode(BLOCKS, "WEBP", **options)) == (128, 96)


def test_a_tiny_and_a_very_wide_picture_are_read():
    assert read_photo(encode(np.full((1, 1, 3), 7, np.uint8))).rgb.tolist() == [[[7, 7, 7]]]
    wide = read_photo(encode(np.zeros((20, 30_000, 3), np.uint8)))
    assert (wide.width, wide.height) == (30_000, 20)


def test_the_filters_of_pythons_warnings_are_as_before():
    before = list(warnings.filters)
    read_photo(encode(BLOCKS))
    with pytest.raises(ImageError):
        read_photo(b"nothing")
    with pytest.raises(ImageError):
        read_photo(encode(BLOCKS)[:200])
    assert warnings.filters == before


def test_a_file_that_cannot_be_opened_is_refused_in_a_sentence(tmp_path):
    for path in (tmp_path / "none.jpg", tmp_path, "a\0b.jpg"):
        with pytest.raises(ImageError, match="cannot be read"):
            read_photo(path)


def test_a_file_of_too_many_bytes_is_refused_without_reading_it_all(tmp_path):
    path = tmp_path / "large.jpg"
    path.write_bytes(b"\xff" * (1 << 21))
    small = replace(PHOTO_LIMITS, max_bytes=1 << 20)
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageError, match="larger than the 1 MB"):
            read_photo(source, limits=small)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sensors_of_fewer_bits_in_a_16_bit_file_are_scaled_by_their_range(bits, kind):
    white = 2**bits - 1
    ramp = np.rint(np.linspace(0, white, 96 * 128)).astype(np.uint16).reshape(96, 128)
    data = pillow_bytes(Image.fromarray(ramp), kind)
    assert np.array_equal(read_photo(data).rgb[..., 0], np.rint(ramp / (white / 255)).astype(np.uint8))
    assert np.abs(decode_face(data).mean() - 127.5) < 1


def test_a_dark_image_of_8_bits_scaled_to_16_stays_dark():
    dark = RNG.integers(0, 15, (96, 128)).astype(np.uint8)
    photo = read_photo(pillow_bytes(Image.fromarray(dark.astype(np.uint16) * 257), "PNG"))
    assert np.array_equal(photo.rgb[..., 0], dark)


@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_is_read_with_a_note(missing):
    data = encode(BLOCKS, "JPEG")
    photo = read_photo(data[:-missing])
    assert np.array_equal(photo.rgb, read_photo(data).rgb)
    assert photo.notes == ("the end of the file is missing, but no pixels",)
    with pytest.raises(ImageError):
        decode_face(data[:-missing])


@pytest.mark.parametrize("missing", [8, 20, 200])
def test_a_jpeg_that_lacks_pixels_is_refused(missing):
    with pytest.raises(ImageError, match="truncated"):
        read_photo(encode(RNG.integers(0, 256, (96, 128, 3)).astype(np.uint8), "JPEG")[:-missing])


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_with_too_many_pixels_is_decoded_reduced_and_upright(orientation):
    ramp = np.tile(np.linspace(0, 255, 400, dtype=np.uint8), (200, 1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.stack([ramp, 255 - ramp, ramp], axis=2)).save(file, "JPEG", quality=95, exif=exif)
    limits = Limits(max_bytes=10**6, max_pixels=10_000, max_side=1000, max_reduced_pixels=100_000)
    photo = read_photo(file.getvalue(), limits=limits)
    whole = read_photo(file.getvalue())
    assert (photo.width, photo.height) == (whole.width // 4, whole.height // 4)
    assert photo.notes == ("decoded at 1/4 of its 400×200 pixels",)
    reduced = np.asarray(Image.fromarray(whole.rgb).reduce(4)).astype(int)
    assert np.abs(photo.rgb.astype(int) - reduced).mean() < 2
    with pytest.raises(UnreadableImage, match="damaged or truncated"):
        read_photo(file.getvalue()[:-200], limits=limits)
    with pytest.raises(UnreadableImage, match="reduce it first"):
        read_photo(file.getvalue(), limits=Limits(10**6, 10_000, 1000, max_reduced_pixels=50_000))


@pytest.mark.slow
def test_a_photo_of_108_megapixels_is_read():
    import cv2

    photo = read_photo(cv2.imencode(".jpg", np.full((9000, 12_000), 90, np.uint8))[1].tobytes())
    assert (photo.width, photo.height) == (6000, 4500)
    assert int(photo.rgb[100, 100, 0]) == pytest.approx(90, abs=1)
