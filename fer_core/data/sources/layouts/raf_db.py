"""RAF-DB: labels 1…7 in ``list_patition_label.txt``, or in folders 1…7 (Li et al. 2017)."""

from __future__ import annotations

import re
from typing import Final

from fer_core.data.dataset import SplitName
from fer_core.data.parsed import UnreadableFile, face_id
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source, label_by_emotion
from fer_core.data.sources.layouts.numbered import emotions_by_number, number_of
from fer_core.errors import DataError

_LIST: Final = re.compile(r"(^|/)list_par?tition_label\.txt$", re.IGNORECASE)  # the original has the typo
_LINE: Final = re.compile(r"(\S+)\s+([1-7])")
_IMAGE: Final = re.compile(r"(^|/)(train|test)_\d+(_aligned)?\.\w+$", re.IGNORECASE)
_MAX_BYTES: Final = 64 * 2**20


def _find(source: Source) -> LabeledImages | None:
    if source.how not in ("auto", "emotions"):
        return None
    lists = [name for name in source.container.files if _LIST.search(name)]
    if lists:
        return _by_list(source, lists[0])
    numbered = [name for name in source.images if _IMAGE.search(name) and number_of(name) in _EMOTIONS]
    if not numbered or 10 * len(numbered) < 9 * len(source.images):
        return None
    return label_by_emotion(source, {name: _EMOTIONS[number_of(name) or ""] for name in numbered}, _NOTE)


_EMOTIONS: Final = emotions_by_number("raf-db")
_NOTE: Final = "The labels 1…7 were read as those of RAF-DB."


def _stem(name: str) -> str:
    """``Image/aligned/train_00001_aligned.jpg`` -> ``train_00001``."""
    return name.rpartition("/")[2].rpartition(".")[0].lower().removesuffix("_aligned")


def _by_list(source: Source, list_name: str) -> LabeledImages:
    try:
        text = source.container.read(list_name, _MAX_BYTES).decode("utf-8-sig")
    except (UnreadableFile, UnicodeDecodeError) as error:
        raise DataError(f"{source.where}: the list {face_id(list_name)} cannot be read.") from error
    emotions: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match is None and line.strip():
            raise DataError(
                f"{source.where}: line {number} of {face_id(list_name)} must have a file name and a label 1…7, "
                "e.g. 'train_00001.jpg 5'."
            )
        if match is not None:
            emotions[_stem(match[1])] = _EMOTIONS[match[2]]
    aligned = {_stem(name) for name in source.images if "_aligned." in name.lower()}
    # Each image may exist twice, as the original photo and as the aligned face crop: the crop is the face.
    used = [
        name
        for name in source.images
        if _stem(name) in emotions and ("_aligned." in name.lower() or _stem(name) not in aligned)
    ]
    if not used:
        raise DataError(f"{source.where}: {face_id(list_name)} names no image of the source.")
    splits: dict[str, SplitName] = {name: "test" if _stem(name).startswith("test") else "train" for name in used}
    missing = len(emotions) - len({_stem(name) for name in used})
    lacking = f" {missing:,} images of the list are missing." if missing else ""
    return label_by_emotion(source, {name: emotions[_stem(name)] for name in used}, _NOTE + lacking, splits=splits)


LAYOUT: Final = Layout("RAF-DB", _find)
