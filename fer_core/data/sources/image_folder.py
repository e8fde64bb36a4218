"""Images sorted into one folder per emotion, on disk or in a zip, among them FER2013 as Kaggle ships it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from fer_core.classes import LABELS, find_label
from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import MAX_FACES, BrokenFile, Parsed, Progress
from fer_core.data.sources.container import Container
from fer_core.errors import DataError, UnreadableImage
from fer_core.formatting import display_safe
from fer_core.images import FACE_LIMITS, IMAGE_SUFFIXES, decode_face, looks_like_image
from fer_core.preprocess import FACE_SIZE

_SPLIT_PREFIXES: dict[str, SplitName] = {"training_": "train", "publictest_": "valid", "privatetest_": "test"}
"""Kaggle puts both test sets of FER2013 into one folder; the file names still tell them apart."""

_CHUNK = 256
"""Files one thread decodes before it reports."""


def emotion_of(name: str) -> int | None:
    """The emotion whose folder a file lies in, or None if it lies in none.

    Raises:
        DataError: folders of two different emotions stand in the name.
    """
    found = {label for part in name.split("/")[:-1] if (label := find_label(part)) is not None}
    if len(found) > 1:
        both = " and ".join(LABELS[i] for i in sorted(found))
        raise DataError(
            f"The folders of '{face_id(name)}' name two emotions, {both}. Keep each image under one emotion."
        )
    return found.pop() if found else None


def split_of(name: str) -> SplitName:
    """The split a file belongs to: by FER2013's file names, else by its folders (the innermost counts), else train."""
    *folders, file = name.lower().split("/")
    for prefix, named in _SPLIT_PREFIXES.items():
        if file.startswith(prefix):
            return named
    return next((split for folder in reversed(folders) if (split := find_split(folder)) is not None), "train")


def find_images(container: Container) -> dict[str, int]:
    """Name and label of each file that lies in the folder of an emotion, by name, so that a zip and the folder it was
    made from give the same data set."""
    labels = {name: emotion_of(name) for name in sorted(container.files)}
    return {name: label for name, label in labels.items() if label is not None}


def read_images(
    container: Container, labels: dict[str, int], where: str, on_progress: Progress | None = None
) -> Parsed:
    """Decode images on all cores; ``labels`` comes from :func:`find_images`.

    Files that are no images and are not named like images are left out with a warning; images that cannot be read
    come back as ``broken``.

    Raises:
        DataError: there are no images, or too many files.
    """
    if len(labels) > MAX_FACES:
        raise DataError(f"{where} holds {len(labels):,} files in folders of emotions; at most {MAX_FACES:,} are read.")
    names = list(labels)
    images = np.empty((len(names), FACE_SIZE, FACE_SIZE), np.uint8)
    good = np.zeros(len(names), bool)
    broken: list[tuple[str, str]] = []
    no_images = 0

    def decode_chunk(start: int) -> tuple[list[tuple[str, str]], int]:
        faults, others = [], 0
        for i in range(start, min(start + _CHUNK, len(names))):
            name = names[i]
            try:
                data = container.read(name, FACE_LIMITS.max_bytes)
                if not looks_like_image(data) and not is_image_name(name):
                    others += 1
                    continue
                images[i] = decode_face(data)
                good[i] = True
            except BrokenFile as fault:
                faults.append((face_id(name), str(fault)))
            except UnreadableImage as fault:
                faults.append((face_id(name), fault.reason))
        return faults, others

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        done = 0
        for faults, others in pool.map(decode_chunk, range(0, len(names), _CHUNK)):
            broken += faults
            no_images += others
            done = min(done + _CHUNK, len(names))
            if on_progress is not None:
                on_progress(done, len(names))
    finally:
        pool.shutdown(cancel_futures=True)

    if not good.any() and not broken:
        raise DataError(nothing_found(container, where))
    notes = list(container.warnings)
    if no_images:
        notes.append(f"Files that are no images were left out ({no_images:,}).")
    notes += _unplaced(set(container.files) - set(names))
    kept = np.flatnonzero(good)
    return Parsed(
        images=images if len(kept) == len(names) else images[kept],
        labels=_int64([labels[names[i]] for i in kept]),
        split=np.array([split_of(names[i]) for i in kept], dtype=np.str_),
        ids=np.array([face_id(names[i]) for i in kept], dtype=np.str_),
        broken=tuple(broken),
        warnings=tuple(notes),
    )


def face_id(name: str) -> str:
    """The name with bytes that are no UTF-8, and what would steer a terminal, shown as escapes: to be stored and printed."""
    return display_safe(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def _int64(values: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def is_image_name(name: str) -> bool:
    """Whether the file's name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _unplaced(names: set[str]) -> list[str]:
    """A sentence on images that lie in no emotion's folder, with the folders they lie in."""
    folders = Counter(face_id(n.rpartition("/")[0]) or "(top level)" for n in names if is_image_name(n))
    if not folders:
        return []
    shown = ", ".join(f"'{folder}'" for folder, _ in folders.most_common(3))
    more = f" and {len(folders) - 3:,} more" if len(folders) > 3 else ""
    return [f"Images in folders that name no emotion were left out ({folders.total():,}): {shown}{more}."]


def nothing_found(container: Container, where: str) -> str:
    """A sentence on a folder or zip in which there are no faces: what it holds, and what was expected."""
    expected = f"Expected one folder per emotion, named {', '.join(LABELS)} (or a common other name), with images in it"
    folders = sorted({face_id(name.split("/")[-2]) for name in container.files if "/" in name and is_image_name(name)})
    if folders:
        more = ", …" if len(folders) > 5 else ""
        return f"{where} has images, but no folder named after an emotion (found: {', '.join(folders[:5])}{more}). {expected}."
    if any(is_image_name(name) for name in container.files):
        return f"{where} has images, but they lie in no folder. {expected}."
    return f"{where} holds no images of faces and no csv of faces. {expected}; or a csv such as fer2013.csv."
