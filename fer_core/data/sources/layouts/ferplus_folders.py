"""FER+ as its script writes it: folders of images, each with a ``label.csv`` of ten vote counts per image."""

from __future__ import annotations

import csv
import io
from typing import Final

from fer_core.classes import class_key
from fer_core.data.dataset import SplitName, find_split
from fer_core.data.parsed import UnreadableFile, face_id
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source, label_by_emotion
from fer_core.errors import DataError

_FILE: Final = "label.csv"
_MAX_BYTES: Final = 64 * 2**20
_MAX_VOTES: Final = 1_000
_WIDTH: Final = 2 + len(FERPLUS_COLUMNS)  # name, box, votes


def _find(source: Source) -> LabeledImages | None:
    tables = [name for name in source.container.files if name.rpartition("/")[2].lower() == _FILE]
    if source.how not in ("auto", "emotions") or not tables:
        return None
    images = set(source.images)
    votes: dict[str, list[int]] = {}
    splits: dict[str, SplitName] = {}
    missing = 0
    for table in tables:
        folder = table.rpartition("/")[0]
        rows = _read(source, table)
        if rows is None:
            return None
        split = _split_of(folder)
        for name, counts in rows:
            path = f"{folder}/{name}" if folder else name
            if path in images:
                votes[path], splits[path] = counts, split
            else:
                missing += 1
    if not votes:
        return None
    emotions = {name: emotion for name, counts in votes.items() if (emotion := _most_votes(counts)) is not None}
    note = "The labels are the emotion with the most votes in FER+'s label.csv."
    if without := len(votes) - len(emotions):
        note += f" Excluded {without:,} images on whose emotion the votes are tied, or which are no face or unknown."
    if missing:
        note += f" {missing:,} images of label.csv are missing."
    return label_by_emotion(source, emotions, note, splits=splits, votes=votes)


def _read(source: Source, table: str) -> list[tuple[str, list[int]]] | None:
    """Read the rows ``name, box, ten counts``; None if the first row shows that it is another kind of file."""
    where = f"{source.where}: {face_id(table)}"
    try:
        text = source.container.read(table, _MAX_BYTES).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnreadableFile, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} is not a readable csv in UTF-8.") from error
    if not rows or len(rows[0]) != _WIDTH:
        return None
    if rows[0][2].strip().lower() == FERPLUS_COLUMNS[0]:  # some copies have a header
        rows = rows[1:]
    found = []
    for number, row in enumerate(rows, start=1):
        counts = [int(cell) if cell.strip().isdecimal() and len(cell) < 6 else -1 for cell in row[2:]]
        if len(row) != _WIDTH or min(counts) < 0 or max(counts) > _MAX_VOTES:
            raise DataError(f"{where}: row {number} must have a name, a box and ten vote counts.")
        found.append((row[0].strip(), counts))
    return found


def _split_of(folder: str) -> SplitName:
    """``data/FER2013Valid`` -> ``valid``."""
    parts = [part.lower().removeprefix("fer2013").strip("_- ") for part in folder.split("/")]
    return next((split for part in reversed(parts) if (split := find_split(part)) is not None), "train")


def _most_votes(counts: list[int]) -> str | None:
    """Return the emotion with the most votes; None if it is tied, unknown or not a face."""
    best = max(counts)
    winners = [column for column, count in zip(FERPLUS_COLUMNS, counts, strict=True) if count == best]
    return class_key(winners[0]) if best and len(winners) == 1 and winners[0] not in ("unknown", "NF") else None


LAYOUT: Final = Layout("FER+", _find)
