"""Assigns images to splits: whoever made the split decides, in a split file or by folders; file names come last."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import UnreadableFile, face_id
from fer_core.data.sources.containers.base import Container
from fer_core.data.sources.names import FilesByName
from fer_core.formatting import counted

_PREFIXES: Final[dict[str, SplitName]] = {"training_": "train", "publictest_": "valid", "privatetest_": "test"}
"""File names of FER2013. Kaggle has both test sets in one folder, and the file names still distinguish them."""
_FILE_COLUMNS: Final = ("file", "filename", "image", "path")
_SPLIT_COLUMNS: Final = ("split", "usage", "set", "subset")
_TABLES: Final = ("split.csv", "splits.csv")
_MAX_BYTES: Final = 64 * 2**20


@dataclass(frozen=True)
class ImageSplits:
    """The split of each image.

    Attributes:
        splits: by file name; an image that the split file does not list is missing.
        notes: sentences for the user.
    """

    splits: Mapping[str, SplitName]
    notes: tuple[str, ...] = ()


def assign_splits(
    images: Sequence[str], container: Container | None = None, stated: Mapping[str, SplitName] | None = None
) -> ImageSplits:
    """Assign each image to a split.

    In this order: what the layout's own list states; a split file (``split.csv`` with the columns file and split, or
    ``train.txt``, ``valid.txt`` and ``test.txt`` with a file name per line); the folders, of which the innermost
    split counts; FER2013's file names; else train. File names also divide a folder ``test`` of FER2013 that contains
    both ``PublicTest_`` and ``PrivateTest_`` files, if there is no folder of validation images.

    Args:
        images: file names, with ``/`` between folders.
        container: where split files are looked for.
        stated: the split of images by a list file of the layout.
    """
    if stated:
        return ImageSplits({name: stated.get(name) or _by_folder(name) or "train" for name in images})
    listed = ImageSplits({}) if container is None else _by_split_file(images, container)
    if listed.splits:
        return listed
    by_folder = {name: _by_folder(name) for name in images}
    by_name = {name: _by_name(name) for name in images}
    in_test = {by_name[name] for name in images if by_folder[name] == "test"}
    kaggle = "valid" not in by_folder.values() and {"valid", "test"} <= in_test
    return ImageSplits(
        {
            name: by_name[name] or "test"
            if kaggle and by_folder[name] == "test" and by_name[name] != "train"
            else by_folder[name] or by_name[name] or "train"
            for name in images
        },
        listed.notes,
    )


def _by_folder(name: str) -> SplitName | None:
    folders = name.split("/")[:-1]
    return next((found for folder in reversed(folders) if (found := find_split(folder)) is not None), None)


def _by_name(name: str) -> SplitName | None:
    file = name.rpartition("/")[2].lower()
    return next((split for prefix, split in _PREFIXES.items() if file.startswith(prefix)), None)


def is_split_file(name: str) -> bool:
    """Whether a file has the name of a split file."""
    file = name.rpartition("/")[2].lower()
    return name.count("/") <= 1 and (
        file in _TABLES or (file.endswith(".txt") and find_split(file.removesuffix(".txt")) is not None)
    )


def _by_split_file(images: Sequence[str], container: Container) -> ImageSplits:
    """Read the split files; without splits if there are none that name images of the source."""
    files = sorted(filter(is_split_file, container.files))
    known = FilesByName(images)
    splits: dict[str, SplitName] = {}
    notes: list[str] = []
    used: list[str] = []
    twice = 0
    for file in files:
        lines = _lines(container, file)
        matched = [(known.find(name), split) for name, split in lines]
        hits = [(images[found[0]], split) for found, split in matched if len(found) == 1]
        if 2 * len(hits) < len(lines) or not hits:
            notes.append(
                f"{face_id(file)} was not used as a split file: {len(hits):,} of its {len(lines):,} lines name one image."
            )
            continue
        used.append(face_id(file))
        if len(hits) < len(lines):
            notes.append(f"{face_id(file)}: {len(lines) - len(hits):,} lines name no image, or several.")
        for name, split in hits:
            twice += splits.setdefault(name, split) != split
    if not used:
        return ImageSplits({}, tuple(notes))
    notes.insert(0, f"The splits were read from {', '.join(used)}.")
    if twice:
        notes.append(f"{twice:,} images are in two splits; the first counts.")
    if missing := len(images) - len(splits):
        notes.append(
            f"Excluded {counted(missing, 'image that no split file lists', 'images that no split file lists')}."
        )
    return ImageSplits(splits, tuple(notes))


def _lines(container: Container, file: str) -> list[tuple[str, SplitName]]:
    """Return the file names of a split file with their splits; empty if it has another format."""
    try:
        text = container.read(file, _MAX_BYTES).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnreadableFile, UnicodeDecodeError, csv.Error):
        return []
    if file.lower().endswith(".txt"):
        split = find_split(file.rpartition("/")[2].lower().removesuffix(".txt"))
        return [(line.strip(), split) for line in text.splitlines() if line.strip()] if split is not None else []
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    at_file = next((header.index(one) for one in _FILE_COLUMNS if one in header), None)
    at_split = next((header.index(one) for one in _SPLIT_COLUMNS if one in header), None)
    if at_file is None or at_split is None:
        return []
    found = [(row[at_file].strip(), find_split(row[at_split])) for row in rows[1:] if len(row) == len(header)]
    return [(name, split) for name, split in found if split is not None]
