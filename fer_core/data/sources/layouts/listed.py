"""A list file: a csv that names the image files and their labels, beside or above the images."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from fer_core.classes import class_key, find_emotion, in_emotion_order
from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import UnreadableFile, face_id
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source, make_class_list, named
from fer_core.data.sources.layouts.numbered import NUMBERINGS, describe_numbering, emotions_by_number
from fer_core.data.sources.names import FilesByName
from fer_core.errors import DataError
from fer_core.formatting import counted

_FILE_COLUMNS: Final = ("file", "filename", "file_name", "image", "image_name", "path", "image_path", "pth", "img")
_LABEL_COLUMNS: Final = ("label", "emotion", "expression", "class")
_SPLIT_COLUMNS: Final = ("split", "usage", "set", "subset")
_NUMBER: Final = re.compile(r"\d{1,3}(\.0*)?")
_MAX_BYTES: Final = 64 * 2**20
_MAX_LISTS: Final = 20
_FIRST_LINE: Final = 4096


def _find(source: Source) -> LabeledImages | None:
    if source.how == "folders" or not source.images:
        return None
    lists = [name for name in source.container.files if name.lower().endswith(".csv")][:_MAX_LISTS]
    found = [(name, columns) for name in lists if (columns := _columns(source, name)) is not None]
    if len(found) != 1:
        return None
    return _read(source, *found[0])


def _columns(source: Source, name: str) -> tuple[int, int, int | None] | None:
    """Return the positions of file, label and split in a csv's first line; None if it has no file or label."""
    with source.container.open(name) as stream:
        header = stream.readline(_FIRST_LINE).decode("utf-8-sig", "replace")
    cells = [cell.strip().lower() for cell in next(csv.reader([header]), [])]

    def position(names: tuple[str, ...]) -> int | None:
        return next((cells.index(one) for one in names if one in cells), None)

    file, label = position(_FILE_COLUMNS), position(_LABEL_COLUMNS)
    return None if file is None or label is None else (file, label, position(_SPLIT_COLUMNS))


def _read(source: Source, name: str, columns: tuple[int, int, int | None]) -> LabeledImages | None:
    where = f"{source.where}: {face_id(name)}"
    try:
        text = source.container.read(name, _MAX_BYTES).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
    except (UnreadableFile, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} is not a readable csv in UTF-8.") from error
    file_at, label_at, split_at = columns
    images = FilesByName(source.images)
    label_of: dict[str, str] = {}
    splits: dict[str, SplitName] = {}
    missing = 0
    for number, row in enumerate(rows, start=2):
        if len(row) <= max(file_at, label_at, split_at or 0):
            raise DataError(f"{where}: line {number} has only {len(row)} columns.")
        matches = images.find(row[file_at].strip())
        if len(matches) > 1:
            raise DataError(f"{where}: '{face_id(row[file_at])}' matches {len(matches)} images. Add its folders.")
        if not matches:
            missing += 1
            continue
        image = source.images[matches[0]]
        if label_of.setdefault(image, row[label_at].strip()) != row[label_at].strip():
            raise DataError(f"{where} gives two labels to '{face_id(image)}'.")
        if split_at is not None:
            split = find_split(row[split_at])
            if split is None:
                raise DataError(
                    f"{where}: line {number} has the split '{face_id(row[split_at])[:20]}', expected train, valid or test."
                )
            splits[image] = split
    if not label_of:
        return None  # the csv is about other files
    if source.how in NUMBERINGS:
        label_of = _emotions(label_of, source.how, where)
    elif any(map(_NUMBER.fullmatch, label_of.values())):
        if any("/" in image for image in source.images):
            return None  # the folders may be classes
        raise DataError(
            f"{where} labels the images by numbers, and data sets number emotions differently. Choose their meaning, "
            f"e.g. --classes affectnet or --classes fer2013 ({describe_numbering('fer2013')}), or use names."
        )
    by_emotion = all(map(find_emotion, label_of.values()))
    if source.how == "emotions":
        label_of = {image: label for image, label in label_of.items() if find_emotion(label)}
    named_as = {image: class_key(label) if find_emotion(label) and (by_emotion or source.how == "emotions") else label
                for image, label in label_of.items()}  # fmt: skip
    classes = make_class_list(in_emotion_order(sorted(set(named_as.values()))), where, "labels")
    notes = [f"The labels were read from {face_id(name)}."]
    if missing:
        notes.append(f"{face_id(name)} names {missing:,} files that are not in the source.")
    unlisted = tuple(image for image in source.images if image not in named_as)
    if unlisted:
        notes.append(
            f"{counted(len(unlisted), 'image')} without a label in {face_id(name)}: {named(map(face_id, unlisted))}."
        )
    return LabeledImages(
        classes=classes,
        labels={image: classes.names.index(named_as[image]) for image in source.images if image in named_as},
        groups={},
        excluded=unlisted,
        by_emotion=True,
        notes=tuple(notes),
        splits=splits or None,
    )


def _emotions(labels: dict[str, str], numbering: str, where: str) -> dict[str, str]:
    """Return the emotion of each numbered label."""
    emotions = emotions_by_number(numbering)
    numbers = {image: label.partition(".")[0] if _NUMBER.fullmatch(label) else label for image, label in labels.items()}
    if wrong := [label for label in numbers.values() if label not in emotions and not find_emotion(label)]:
        raise DataError(f"{where} has the label '{face_id(wrong[0])[:20]}', which {numbering} does not have.")
    return {image: emotions.get(label, label) for image, label in numbers.items()}


LAYOUT: Final = Layout("list file", _find, by_names=True)
