"""Small sources of faces for tests: images, folders, zips and csv files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from fer_core.classes import ClassList

SEVEN = ClassList.fer2013().names

Row = tuple[object, str, str]


def face(seed: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    """A gray image unlike that of any other seed, smooth enough to survive JPEG."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6)).astype(np.uint8))
    return np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def encode(pixels: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def heic(pixels: np.ndarray, **options: object) -> bytes:
    """The bytes of a HEIC file."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return encode(pixels, "HEIF", **{"quality": 90, **options})


def png(seed: int = 0) -> bytes:
    return encode(face(seed))


def tree(per_class: int = 1, splits: Iterable[str] = ("train", "valid", "test"), start: int = 0) -> dict[str, bytes]:
    """Files of an image data set: ``<split>/<emotion>/<number>.png``, every image different."""
    files = {}
    for split in splits:
        for label in SEVEN:
            for i in range(per_class):
                files[f"{split}/{label}/{i}.png"] = png(start + len(files))
    return files


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def write_zip(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pixels_of(image: np.ndarray) -> str:
    return " ".join(map(str, image.ravel()))


def rows(count: int = 14, usages: tuple[str, ...] = ("Training", "PublicTest", "PrivateTest")) -> list[Row]:
    """Rows of fer2013.csv: every label under every usage in turn."""
    return [(i % 7, pixels_of(face(i)), usages[i // 7 % len(usages)]) for i in range(count)]


def write_csv(path: Path, table: Iterable[Row], header: str = "emotion,pixels,Usage", end: str = "\n") -> Path:
    lines = [header, *(",".join(map(str, row[: header.count(",") + 1])) for row in table)]
    path.write_bytes((end.join(lines) + end).encode())
    return path
