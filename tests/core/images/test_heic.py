"""HEIC, what phones save: read upright at every entry point, refused where damaged or hostile."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageFile

from fer_core.data import load
from fer_core.errors import DataError, UnreadableImage
from fer_core.images import decode_face, looks_like_image, read_photo
from fer_core.photos.predict import find_photos
from fer_core.workspace import Workspace
from tests.source_factory import encode, face, heic, write_folder

CORNER = np.zeros((96, 128, 3), np.uint8)
CORNER[:48, :64] = 255  # bright at the upper left

BLOCKS = np.kron(np.random.default_rng(0).integers(0, 256, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)


def declare(data: bytes, width: int, height: int) -> bytes:
    """The same file, whose header declares another size."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def test_a_heic_is_read_as_rgb():
    photo = read_photo(heic(BLOCKS), "IMG_0001.HEIC")
    assert photo.rgb.shape == (96, 128, 3)
    assert np.abs(photo.rgb.astype(int) - BLOCKS).mean() < 12
    assert photo.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_told_by_a_heic_is_applied_once(orientation):
    """A phone writes it twice: into the file's own boxes, which count, and into EXIF, which must not turn it again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    # As in test_read_photo: how a viewer undoes each EXIF orientation
    upright = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation](CORNER)
    data = heic(CORNER, exif=exif.tobytes())
    assert (b"irot" in data or b"imir" in data) == (orientation != 1)
    photo = read_photo(data)
    assert photo.rgb.shape == upright.shape
    assert np.abs(photo.rgb.astype(int) - upright).mean() < 12
    assert np.abs(decode_face(data).astype(int) - decode_face(encode(upright, "PNG"))).mean() < 12


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_the_brands_of_phones_and_cameras_are_told_by_content(brand):
    data = heic(BLOCKS)
    data = data[:8] + brand + data[12:]
    assert looks_like_image(data)
    assert read_photo(data, "x.heic").notes == ()


def test_a_heic_named_like_a_jpeg_says_so():
    assert read_photo(heic(BLOCKS), "x.jpg").notes == ("named .jpg, but a HEIC file",)


def test_of_several_pictures_the_main_one_is_used():
    data = heic(BLOCKS, save_all=True, append_images=[Image.new("RGB", (64, 48), "red")], primary_index=1)
    photo = read_photo(data)
    assert photo.notes == ("contains several images; the main one is used",)
    assert photo.rgb.shape == (48, 64, 3)
    assert photo.rgb[..., 0].mean() > 200


def test_gray_transparent_and_deep_pictures_are_read():
    gray = np.asarray(Image.fromarray(BLOCKS).convert("L"))
    assert np.abs(read_photo(heic(gray)).rgb[..., 0].astype(int) - gray).mean() < 6
    assert np.abs(read_photo(heic(gray.astype(np.uint16) * 257)).rgb[..., 0].astype(int) - gray).mean() < 6
    clear = np.dstack([BLOCKS, np.zeros((96, 128), np.uint8)])
    assert np.abs(read_photo(heic(clear)).rgb.astype(int) - 128).max() < 4


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.6, 0.9, 0.98, 0.999])
@pytest.mark.parametrize("decode", [read_photo, decode_face])
def test_a_truncated_heic_is_refused(decode, share):
    data = heic(BLOCKS)
    with pytest.raises(UnreadableImage) as refusal:
        decode(data[: int(len(data) * share)])
    assert refusal.value.reason


@pytest.mark.parametrize("decode", [read_photo, decode_face])
def test_a_huge_declared_size_is_refused_before_decoding(decode, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("the picture was decoded"))
    for width, height in ((12_000, 12_000), (70_000, 10), (60_000, 60_000)):
        with pytest.raises(UnreadableImage, match="million"):
            decode(declare(heic(BLOCKS), width, height))


def test_a_picture_larger_than_its_header_declares_is_refused():
    with pytest.raises(UnreadableImage, match="damaged"):
        read_photo(declare(heic(np.zeros((1024, 1024, 3), np.uint8)), 64, 64))


def test_a_data_set_of_heic_files_loads(tmp_path):
    files = {f"{label}/{i}.heic": heic(face(i, (96, 96))) for label in ("happy", "sad") for i in range(3)}
    workspace = Workspace(tmp_path / "workspace")
    dataset = load(write_folder(tmp_path / "faces", files), workspace=workspace)
    assert len(dataset) == 6
    assert np.abs(dataset.images[0].astype(int) - decode_face(encode(face(0, (96, 96)), "PNG"))).mean() < 6
    files["happy/0.heic"] = files["happy/0.heic"][:-40]
    with pytest.raises(DataError, match=r"happy/0\.heic is damaged or truncated"):
        load(write_folder(tmp_path / "cut", files), workspace=workspace)


def test_a_folder_is_searched_for_heic_files(tmp_path):
    for name in ("a.HEIC", "b.heif", "c.hif", "d.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in find_photos([tmp_path])] == ["a.HEIC", "b.heif", "c.hif"]
