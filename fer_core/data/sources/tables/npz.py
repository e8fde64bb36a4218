"""Reads NumPy archives (``.npz``): an array of images and an array of labels, for each split or for all."""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import MAX_FACES, ClassReading, Parsed, Progress, UnreadableFile
from fer_core.data.sources.containers import ZIP_ERRORS
from fer_core.data.sources.containers.base import check_expansion
from fer_core.data.sources.photographs import CropChoice, FaceCropper, PhotographCheck
from fer_core.data.sources.tables.labels import Label, parse_label
from fer_core.data.sources.tables.rows import Rows
from fer_core.errors import DataError, ImageError, UnreadableImage
from fer_core.formatting import display_safe
from fer_core.images import FACE_LIMITS
from fer_core.preprocess import to_face

_IMAGES: Final = ("images", "image", "x", "faces", "data", "pixels")
_LABELS: Final = ("labels", "label", "y", "emotion", "emotions", "targets")
_NAMES: Final = ("classes", "class_names", "label_names", "names", "labels_names")
_SPLITS: Final = ("split", "splits", "usage")
_MAX_LABELS: Final = 64 << 20  # bytes of an array of labels
_REPORT_EVERY: Final = 200
_HEADER_ERRORS: Final = (ValueError, TypeError, KeyError, SyntaxError, tokenize.TokenError)
"""Exceptions that NumPy raises for the damaged header of an array, which it parses as Python text."""


def is_npz(path: Path, start: bytes) -> bool:
    """Whether a zip with these first bytes contains only ``.npy`` arrays."""
    if not start[30 : 30 + int.from_bytes(start[26:28], "little")].endswith(b".npy"):  # the name of the first file
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (*ZIP_ERRORS, OSError, ValueError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path, how: ClassReading, on_progress: Progress | None, crop: CropChoice) -> Parsed:
    """Read the faces of a NumPy archive.

    Images are uint8 or uint16, or floats in 0…1 or 0…255, of shape (N, H, W), (N, H, W, 1), (N, H, W, 3) or (N, 2304);
    labels are whole numbers (N,) or (N, 1), text, or one-hot rows. Names are those of Keras, MedMNIST and the like:
    ``images`` and ``labels``, ``x_train`` and ``y_train``, ``train_images`` and ``train_labels``. An array ``classes``
    names the numbers; without it they are FER2013's 0…6. Nothing is unpickled.

    Args:
        path: the archive.
        how: how labels become classes.
        on_progress: called with (images done, images) of each array.
        crop: what to do with photographs.

    Raises:
        PhotographsFound: the first images are photographs, and ``crop`` is ``ask``.
        DataError: the archive is damaged, a bomb, has no such arrays, or the labels give no classes.
    """
    where = path.name
    rows = Rows(where)
    cropper = FaceCropper() if crop == "faces" else None
    check = PhotographCheck(where) if crop == "ask" else None
    with _opened(path) as archive:
        arrays = {name.removesuffix(".npy"): name for name in archive.namelist()}
        pairs = _find_pairs(arrays)
        if not pairs:
            raise DataError(
                f"{where} has no arrays of faces: expected images and labels (or x_train and y_train, …); found "
                f"{display_safe(', '.join(arrays)[:80])}."
            )
        names = _class_names(archive, arrays, where)
        for images_name, labels_name, split in pairs:
            labels = _small(archive, arrays[labels_name], where)
            splits = _stated_splits(archive, arrays, where) if split is None else None
            _read_pair(archive, arrays[images_name], labels, splits, split, names, rows, on_progress, cropper, check)
        known = any(split is not None for _, _, split in pairs) or any(name in arrays for name in _SPLITS)
    if check is not None:
        check.conclude()
    parsed = rows.parsed(how, () if known else ("The archive names no splits: all its faces count as train.",))
    return parsed if cropper is None else cropper.finish(parsed)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                check_expansion(path.name, info.filename, info.file_size, info.compress_size)
            yield archive
    except DataError:
        raise
    except (*ZIP_ERRORS, *_HEADER_ERRORS, OSError, RuntimeError, MemoryError) as error:
        raise DataError(
            f"{path.name} is a NumPy archive that is damaged or truncated. Write or copy it again."
        ) from error


def _find_pairs(arrays: dict[str, str]) -> list[tuple[str, str, SplitName | None]]:
    """Return the arrays of images and labels that belong together, with their split (None: for all)."""
    pairs: list[tuple[str, str, SplitName | None]] = []
    for name in arrays:
        before, _, after = name.lower().partition("_")
        for kind, split in ((before, find_split(after)), (after, find_split(before))):
            if split is None or kind not in _IMAGES:
                continue
            wanted = [f"{one}_{after}" if kind == before else f"{before}_{one}" for one in _LABELS]
            label = next((a for one in wanted for a in arrays if a.lower() == one), None)
            if label is not None:
                pairs.append((name, label, split))
    if pairs:
        return pairs
    images = next((a for one in _IMAGES for a in arrays if a.lower() == one), None)
    labels = next((a for one in _LABELS for a in arrays if a.lower() == one), None)
    return [(images, labels, None)] if images is not None and labels is not None else []


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return shape, fortran, dtype


def _small(archive: zipfile.ZipFile, name: str, where: str) -> npt.NDArray[Any]:
    """Read a whole array of labels or names, after its header was checked."""
    with archive.open(name) as stream:
        shape, fortran, dtype = _header(stream)
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or size > _MAX_LABELS:
            raise DataError(
                f"{where}: the array {display_safe(name[:40])} has {'Python objects' if dtype.hasobject else 'too many values'}"
                ", which are not read. Save plain numbers or text."
            )
        data = stream.read(size)
    values = np.frombuffer(data, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _class_names(archive: zipfile.ZipFile, arrays: dict[str, str], where: str) -> list[str] | None:
    name = next((a for one in _NAMES for a in arrays if a.lower() == one), None)
    if name is None:
        return None
    return [display_safe(str(one)) for one in _small(archive, arrays[name], where).ravel().tolist()]


def _stated_splits(archive: zipfile.ZipFile, arrays: dict[str, str], where: str) -> list[str] | None:
    name = next((a for one in _SPLITS for a in arrays if a.lower() == one), None)
    return None if name is None else [str(one) for one in _small(archive, arrays[name], where).ravel().tolist()]


def _read_pair(
    archive: zipfile.ZipFile,
    images_name: str,
    labels: npt.NDArray[Any],
    splits: list[str] | None,
    split: SplitName | None,
    names: list[str] | None,
    rows: Rows,
    on_progress: Progress | None,
    cropper: FaceCropper | None,
    check: PhotographCheck | None,
) -> None:
    what = f"{rows.where}: the array {display_safe(images_name.removesuffix('.npy')[:40])}"
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "iufb":  # one-hot
        labels = labels.argmax(axis=1)
    values = labels.reshape(-1).tolist()
    with archive.open(images_name) as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.kind not in "uif" or dtype.itemsize > 8 or len(shape) not in (2, 3, 4) or min(shape, default=0) < 1:
            raise DataError(f"{what} must have numbers of shape (N, H, W), (N, H, W, C) or (N, 2304).")
        n, one = shape[0], shape[1:]
        if len(one) == 1:
            side = round(one[0] ** 0.5)
            one = (side, side) if side * side == one[0] else (0, 0)
        if fortran and n > 1:
            raise DataError(f"{what} is in Fortran order. Save it with numpy.ascontiguousarray.")
        if len(values) != n or (splits is not None and len(splits) != n) or n > MAX_FACES:
            raise DataError(f"{what} has {n:,} images, but there are {len(values):,} labels. Both must match.")
        if one[0] < FACE_LIMITS.min_side or one[1] < FACE_LIMITS.min_side or one[0] * one[1] > FACE_LIMITS.max_pixels:
            raise DataError(f"{what} has images of {' × '.join(map(str, shape[1:]))} values, which are no faces.")
        if len(one) == 3 and one[2] not in (1, 3, 4):
            raise DataError(f"{what} must have 1, 3 or 4 channels in the last axis; it has {one[2]}.")
        size = int(np.prod(one)) * dtype.itemsize
        scale: float | None = None
        prefix = "" if split is None else f"{split} "
        for i in range(n):
            data = stream.read(size)
            if len(data) < size:
                raise DataError(f"{what} is truncated after {i:,} of {n:,} images.")
            pixels = np.frombuffer(data, dtype).reshape(one)
            row = f"{prefix}row {i}"
            try:
                if scale is None and pixels.any():
                    scale = _scale(pixels)
                image = _to_8_bit(pixels, scale or 1.0)
                if check is not None and not check.is_full:
                    check.add(_photo(image))
                face = to_face(image) if cropper is None else cropper.crop(_photo(image))
                label = _label(values[i], names)
                of_row = split or (find_split(splits[i]) if splits is not None else "train")
                if of_row is None:
                    raise UnreadableFile(f"has the split '{display_safe((splits or [''])[i][:20])}'")
            except UnreadableFile as fault:
                rows.unreadable.append((row, str(fault)))
            except ImageError as fault:
                rows.unreadable.append((row, fault.reason if isinstance(fault, UnreadableImage) else str(fault)))
            else:
                rows.add(face, label, of_row, row)
            if on_progress is not None and i % _REPORT_EVERY == 0:
                on_progress(i, n)
    if on_progress is not None:
        on_progress(n, n)


def _scale(pixels: npt.NDArray[Any]) -> float:
    """Return the factor from the values of the first image that is not black to 0…255: floats up to 1 are shares."""
    if pixels.dtype.kind == "f":
        return 255.0 if float(np.nan_to_num(pixels).max()) <= 1 else 1.0
    return 1 / 257 if pixels.dtype == np.uint16 and int(pixels.max()) > 255 else 1.0


def _to_8_bit(pixels: npt.NDArray[Any], scale: float) -> npt.NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    values = pixels.astype(np.float64) * scale
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255.5:
        raise UnreadableFile("has values outside 0…255")
    return np.rint(values).astype(np.uint8)


def _photo(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the image as the detector takes it: gray (H, W) or RGB (H, W, 3)."""
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2])
    return image[..., :3]


def _label(value: Any, names: list[str] | None) -> Label:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if names is not None and isinstance(value, int):
        if not 0 <= value < len(names):
            raise UnreadableFile(f"has the label {value}, but the archive names {len(names)} classes")
        return names[value]
    return parse_label(str(value))
