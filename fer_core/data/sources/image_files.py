"""Reads the image files of a folder or archive: finds and decodes them, and lists everything that is not read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList, find_emotion
from fer_core.data.parsed import MAX_FACES, ClassReading, Parsed, Progress, UnreadableFile, face_id
from fer_core.data.sources.containers import ZIP_ERRORS, Container
from fer_core.data.sources.layouts.labeled import LabeledImages, named
from fer_core.data.sources.splits import assign_splits
from fer_core.errors import DataError, UnreadableImage
from fer_core.formatting import counted
from fer_core.images import FACE_LIMITS, IMAGE_SUFFIXES, decode_face, looks_like_image
from fer_core.preprocess import FACE_SIZE

Decode = Callable[[bytes], npt.NDArray[np.uint8]]
"""Turns the bytes of an image file into a face, uint8 (48, 48); raises UnreadableImage."""

_CHUNK = 256
"""Files that a thread decodes before it reports progress."""
_FIRST_BYTES = 4096
"""Bytes needed to tell whether a file is an image."""
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")


def find_images(container: Container) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the image files, sorted, and of the other files.

    Files with the extension of an image are images. Of files without extension, and of any file in a folder named
    after an emotion, the first bytes decide.
    """
    images: list[str] = []
    others: list[str] = []
    for name in sorted(container.files):
        (images if is_image_name(name) or _is_unnamed_image(container, name) else others).append(name)
    return images, tuple(others)


def _is_unnamed_image(container: Container, name: str) -> bool:
    *folders, file = name.split("/")
    if "." in file and not any(map(find_emotion, folders)):
        return False
    try:
        with container.open(name) as stream:
            return looks_like_image(stream.read(_FIRST_BYTES))
    except (*ZIP_ERRORS, OSError):
        return True  # decoding reports it as unreadable


def read_images(
    container: Container,
    found: LabeledImages,
    where: str,
    on_progress: Progress | None = None,
    decode: Decode = decode_face,
) -> Parsed:
    """Decode labeled images on all cores; unreadable ones are returned as ``unreadable``.

    Raises:
        DataError: there are too many files, or a split file lists none of them.
    """
    if len(found.labels) > MAX_FACES:
        raise DataError(f"{where} has {len(found.labels):,} labeled images; the maximum is {MAX_FACES:,}.")
    assigned = assign_splits(list(found.labels), container, found.splits)
    labels = {name: label for name, label in found.labels.items() if name in assigned.splits}
    names, groups = list(labels), found.groups
    images = np.empty((len(names), FACE_SIZE, FACE_SIZE), np.uint8)
    good = np.zeros(len(names), bool)
    unreadable: list[tuple[str, str]] = []

    def decode_chunk(start: int) -> list[tuple[str, str]]:
        faults = []
        for i in range(start, min(start + _CHUNK, len(names))):
            name = names[i]
            try:
                images[i] = decode(container.read(name, FACE_LIMITS.max_bytes))
                good[i] = True
            except UnreadableFile as fault:
                faults.append((face_id(name), str(fault)))
            except UnreadableImage as fault:
                faults.append((face_id(name), fault.reason))
        return faults

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        done = 0
        for faults in pool.map(decode_chunk, range(0, len(names), _CHUNK)):
            unreadable += faults
            done = min(done + _CHUNK, len(names))
            if on_progress is not None:
                on_progress(done, len(names))
    finally:
        pool.shutdown(cancel_futures=True)

    kept = np.flatnonzero(good)
    excluded = [*found.excluded, *(name for name in found.labels if name not in labels)]
    return Parsed(
        images=images if len(kept) == len(names) else images[kept],
        classes=found.classes,
        labels=np.array([labels[names[i]] for i in kept], dtype=np.int64),
        split=np.array([assigned.splits[names[i]] for i in kept], dtype=np.str_),
        ids=np.array([face_id(names[i]) for i in kept], dtype=np.str_),
        unreadable=tuple(unreadable),
        warnings=(*found.notes, *assigned.notes),
        groups=np.array([groups.get(names[i], "") for i in kept], dtype=np.str_) if groups else None,
        votes=None if found.votes is None else np.array([found.votes[names[i]] for i in kept], dtype=np.int64),
        excluded=tuple(map(face_id, excluded)),
    )


def is_image_name(name: str) -> bool:
    """Whether the file has the extension of an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


@dataclass(frozen=True)
class _Kind:
    """Other files with one extension."""

    suffix: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        one, many = (
            (f"{self.suffix} file", None) if self.suffix else ("file without extension", "files without extension")
        )
        return f"{counted(len(self.names), one, many)} ({named(map(face_id, self.names), 2)})"


def exclusion_notes(found: LabeledImages | None, others: Sequence[str], how: ClassReading) -> list[str]:
    """Return sentences on images without a class and on files that are not images, counted and named."""
    notes = []
    if found is not None and found.excluded:
        folders = Counter(face_id(n.rpartition("/")[0]) or "(top level)" for n in found.excluded)
        examples = named([folder for folder, _ in folders.most_common()])
        where = "in folders that name no emotion" if how == "emotions" else "outside the class folders"
        notes.append(f"Excluded {counted(folders.total(), 'image')} {where}: {examples}.")
    archives = [name for name in others if name.lower().endswith(_ARCHIVES)]
    if archives:
        notes.append(
            f"Not read: {counted(len(archives), 'archive')} inside the source: {named(map(face_id, archives))}. Unpack first."
        )
    by_suffix: dict[str, list[str]] = {}
    for name in others:
        if name not in archives:
            by_suffix.setdefault(os.path.splitext(name)[1].lower(), []).append(name)
    if by_suffix:
        kinds = sorted(by_suffix, key=lambda suffix: (-len(by_suffix[suffix]), suffix))
        texts = [str(_Kind(face_id(suffix), tuple(by_suffix[suffix]))) for suffix in kinds[:5]]
        more = f"; and {len(kinds) - 5:,} more kinds" if len(kinds) > 5 else ""
        total = sum(map(len, by_suffix.values()))
        what = counted(total, "file that is not an image", "files that are not images")
        notes.append(f"Not read: {what}: {'; '.join(texts)}{more}.")
    return notes


def nothing_found(container: Container, where: str, how: ClassReading) -> str:
    """Return a sentence on a container without faces: what it has, and what was expected."""
    example = ", ".join(ClassList.fer2013())
    expected = (
        f"Expected one folder per emotion, named {example} (or another common name), with images in it"
        if how == "emotions"
        else f"Expected one folder per class ({example}, or your own names) with images in it"
    )
    folders = sorted({face_id(name.split("/")[-2]) for name in container.files if "/" in name and is_image_name(name)})
    if folders:
        what = "folder named after an emotion" if how == "emotions" else "folder that can be a class"
        more = ", …" if len(folders) > 5 else ""
        return f"{where} has images, but no {what} (found: {', '.join(folders[:5])}{more}). {expected}."
    if any(is_image_name(name) for name in container.files):
        return f"{where} has images, but they are in no folder. {expected}."
    return f"{where} has no images of faces and no csv of faces. {expected}; or a csv such as fer2013.csv."
