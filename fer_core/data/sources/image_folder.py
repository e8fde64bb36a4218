"""Images sorted into one folder per class, on disk or in a zip, among them FER2013 as Kaggle ships it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fer_core.classes import ClassList, find_emotion
from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import MAX_FACES, BrokenFile, ClassReading, Parsed, Progress, face_id
from fer_core.data.sources.containers.container import ZIP_ERRORS, Container
from fer_core.data.sources.layouts.class_folders import ClassFolders, named, sort_into_classes
from fer_core.errors import DataError, UnreadableImage
from fer_core.images import FACE_LIMITS, IMAGE_SUFFIXES, decode_face, looks_like_image
from fer_core.preprocess import FACE_SIZE

_SPLIT_PREFIXES: dict[str, SplitName] = {"training_": "train", "publictest_": "valid", "privatetest_": "test"}
"""Kaggle puts both test sets of FER2013 into one folder; the file names still tell them apart."""

_CHUNK = 256
"""Files one thread decodes before it reports."""
_FIRST_BYTES = 4096
"""Enough of a file to tell whether it is an image."""


def split_of(name: str) -> SplitName:
    """The split a file belongs to: by FER2013's file names, else by its folders (the innermost counts), else train."""
    *folders, file = name.lower().split("/")
    for prefix, split in _SPLIT_PREFIXES.items():
        if file.startswith(prefix):
            return split
    return next((found for folder in reversed(folders) if (found := find_split(folder)) is not None), "train")


@dataclass(frozen=True)
class FoundImages:
    """The images of a folder or zip, before any is decoded.

    Attributes:
        folders: the classes, and which images belong to them; None if no image lies in a folder that counts.
        others: names of the files that are no images.
    """

    folders: ClassFolders | None
    others: tuple[str, ...]


def find_images(container: Container, how: ClassReading, where: str) -> FoundImages:
    """Find the images and their classes, by name, so that a zip and the folder it was made from give the same data set.

    Image is what is named like one; of files without an ending, and of any in the folder of an emotion, the first
    bytes decide.

    Raises:
        DataError: the folders make no classes, see :func:`sort_into_classes`.
    """
    images: list[str] = []
    others: list[str] = []
    for name in sorted(container.files):
        (images if is_image_name(name) or _is_unnamed_image(container, name) else others).append(name)
    return FoundImages(sort_into_classes(images, how, where), tuple(others))


def _is_unnamed_image(container: Container, name: str) -> bool:
    *folders, file = name.split("/")
    if "." in file and not any(map(find_emotion, folders)):
        return False
    try:
        with container.open(name) as stream:
            return looks_like_image(stream.read(_FIRST_BYTES))
    except (*ZIP_ERRORS, OSError):
        return True  # it is counted as broken when it is to be decoded


def read_images(container: Container, found: ClassFolders, where: str, on_progress: Progress | None = None) -> Parsed:
    """Decode images on all cores; ``found`` comes from :func:`find_images`.

    Images that cannot be read come back as ``broken``.

    Raises:
        DataError: there are too many files.
    """
    labels = found.labels
    if len(labels) > MAX_FACES:
        raise DataError(f"{where} holds {len(labels):,} images in folders of classes; at most {MAX_FACES:,} are read.")
    names, groups = list(labels), found.groups
    images = np.empty((len(names), FACE_SIZE, FACE_SIZE), np.uint8)
    good = np.zeros(len(names), bool)
    broken: list[tuple[str, str]] = []

    def decode_chunk(start: int) -> list[tuple[str, str]]:
        faults = []
        for i in range(start, min(start + _CHUNK, len(names))):
            name = names[i]
            try:
                images[i] = decode_face(container.read(name, FACE_LIMITS.max_bytes))
                good[i] = True
            except BrokenFile as fault:
                faults.append((face_id(name), str(fault)))
            except UnreadableImage as fault:
                faults.append((face_id(name), fault.reason))
        return faults

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        done = 0
        for faults in pool.map(decode_chunk, range(0, len(names), _CHUNK)):
            broken += faults
            done = min(done + _CHUNK, len(names))
            if on_progress is not None:
                on_progress(done, len(names))
    finally:
        pool.shutdown(cancel_futures=True)

    kept = np.flatnonzero(good)
    return Parsed(
        images=images if len(kept) == len(names) else images[kept],
        classes=found.classes,
        labels=np.array([labels[names[i]] for i in kept], dtype=np.int64),
        split=np.array([split_of(names[i]) for i in kept], dtype=np.str_),
        ids=np.array([face_id(names[i]) for i in kept], dtype=np.str_),
        broken=tuple(broken),
        warnings=found.notes,
        groups=np.array([groups.get(names[i], "") for i in kept], dtype=np.str_) if groups else None,
        left_out=tuple(map(face_id, found.left_out)),
    )


def is_image_name(name: str) -> bool:
    """Whether the file's name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def left_out_notes(found: FoundImages, hidden: Sequence[str], how: ClassReading) -> list[str]:
    """Sentences on all that was left out of a tree of images: images without a class, other files, hidden folders."""
    notes = []
    if found.folders is not None and found.folders.left_out:
        folders = Counter(face_id(n.rpartition("/")[0]) or "(top level)" for n in found.folders.left_out)
        shown = named([folder for folder, _ in folders.most_common()])
        where = "in folders that name no emotion" if how == "emotions" else "that lie in no class's folder"
        notes.append(f"Images {where} were left out ({folders.total():,}): {shown}.")
    if found.others:
        notes.append(f"Files that are no images were left out ({len(found.others):,}).")
    if hidden:
        notes.append(f"Hidden folders were left out ({len(hidden):,}): {named(map(face_id, hidden))}.")
    return notes


def nothing_found(container: Container, where: str, how: ClassReading) -> str:
    """A sentence on a folder or zip in which there are no faces: what it holds, and what was expected."""
    example = ", ".join(ClassList.fer2013())
    expected = (
        f"Expected one folder per emotion, named {example} (or a common other name), with images in it"
        if how == "emotions"
        else f"Expected one folder per class ({example}, or names of your own) with images in it"
    )
    folders = sorted({face_id(name.split("/")[-2]) for name in container.files if "/" in name and is_image_name(name)})
    if folders:
        what = "folder named after an emotion" if how == "emotions" else "folder that can be a class"
        more = ", …" if len(folders) > 5 else ""
        return f"{where} has images, but no {what} (found: {', '.join(folders[:5])}{more}). {expected}."
    if any(is_image_name(name) for name in container.files):
        return f"{where} has images, but they lie in no folder. {expected}."
    return f"{where} holds no images of faces and no csv of faces. {expected}; or a csv such as fer2013.csv."
