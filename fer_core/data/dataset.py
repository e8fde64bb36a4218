"""FaceDataset: a loaded data set, validated on construction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.config import MappedClass
from fer_core.errors import DataError
from fer_core.formatting import capitalized
from fer_core.preprocess import FACE_SIZE

SplitName = Literal["train", "valid", "test"]
Truth = Literal["labels", "votes"]
"""Where labels come from: the source's own labels, or the majority of people's votes."""
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")

_UNEQUAL, _VERY_UNEQUAL = 1.5, 3.0
"""Ratios of the largest to the smallest training class from which an imbalance is reported."""

_SPLIT_ALIASES: dict[str, SplitName] = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid", "publictest": "valid",
    "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip


def find_split(name: str) -> SplitName | None:
    """Return the split called ``name``, by any name that data sets use (FER2013's too), ignoring case; else None."""
    key = "".join(c for c in name.lower() if c not in " _-")  # train_set, Training-Data, public test
    return _SPLIT_ALIASES.get(key) or _SPLIT_ALIASES.get(key.removesuffix("set").removesuffix("data"))


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Grayscale faces with labels and splits; all arrays are read-only.

    Attributes:
        name: short name for people, e.g. ``fer2013.zip``.
        images: uint8 (N, 48, 48).
        labels: int64 (N,), positions in ``classes``.
        split: str (N,), each ``train``, ``valid`` or ``test``.
        ids: str (N,), unique and stable: ``train/angry/Training_1426440.jpg`` or ``row 17``.
        classes: the classes, in the order of the labels.
        votes: number of people who chose each of ``vote_columns``, int64 (N, K); zeros for a face without votes;
            None if no votes are loaded.
        vote_columns: names of the K choices: FER+'s ten columns, or those of a ``votes.csv``.
        groups: str (N,), the person, session or take of each face, ``""`` if unknown; None if no face has one.
            Automatic splits keep each group on one side.
        truth: ``labels`` if the labels come from the source, ``votes`` if they are the majority of the votes.
        class_map: how the classes were derived from those of the source; empty if unchanged.
        as_labeled: if ``truth`` is ``votes``, the data set with the source's own labels and classes, before any
            class map and including faces without a majority; else None.
        warnings: sentences for the user (a class is missing, unreadable images were skipped).
        fingerprint: SHA-256 (hex) over images, labels, split and ids of the source, before ``truth`` and
            ``class_map``. It identifies the content; marks and class maps belong to it.
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]
    classes: ClassList
    votes: npt.NDArray[np.int64] | None = None
    vote_columns: tuple[str, ...] = ()
    groups: npt.NDArray[np.str_] | None = None
    truth: Truth = "labels"
    class_map: tuple[MappedClass, ...] = ()
    as_labeled: FaceDataset | None = None
    warnings: tuple[str, ...] = ()
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        n = len(self.images)
        if n == 0:
            raise DataError(f"{self.name} contains no faces.")
        if self.images.dtype != np.uint8 or self.images.shape != (n, FACE_SIZE, FACE_SIZE):
            raise DataError(
                f"{self.name}: images must be uint8 (N, {FACE_SIZE}, {FACE_SIZE}), not {self.images.dtype} {self.images.shape}."
            )
        for what, array in (
            ("labels", self.labels), ("split", self.split), ("ids", self.ids), ("groups", self.groups),
        ):  # fmt: skip
            if array is not None and array.shape != (n,):
                raise DataError(f"{self.name}: {what} must have shape ({n},), not {array.shape}.")
        if self.labels.dtype != np.int64:
            raise DataError(f"{self.name}: labels must be int64, not {self.labels.dtype}.")
        if len(set(self.ids.tolist())) != n:
            raise DataError(f"{self.name}: two faces have the same id; ids must be unique.")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise DataError(f"{self.name}: labels must be in 0…{len(self.classes) - 1}.")
        if unknown := set(np.unique(self.split)) - set(SPLITS):
            raise DataError(f"{self.name}: unknown splits {sorted(unknown)}; expected {', '.join(SPLITS)}.")
        if self.votes is not None and self.votes.shape != (n, len(self.vote_columns)):
            raise DataError(
                f"{self.name}: votes must have shape ({n}, {len(self.vote_columns)}), not {self.votes.shape}."
            )
        for values in (self.images, self.labels, self.split, self.ids, self.votes, self.groups):
            if values is not None:
                values.flags.writeable = False
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", content_fingerprint(self))

    def __len__(self) -> int:
        return len(self.images)

    def indices(self, split: str) -> npt.NDArray[np.int64]:
        """Return the positions of the faces of one split, int64 (n,), ascending.

        Raises:
            DataError: the name is not a split, or the split is empty.
        """
        if split not in SPLITS:
            raise DataError(f"'{split}' is not a split; choose one of {', '.join(SPLITS)}.")
        found = np.flatnonzero(self.split == split)
        if not len(found):
            reasons = [f"{self.name} has no faces in its {split} split ({self.counts_text()}).", *self.warnings]
            raise DataError(" ".join(reasons))  # what was excluded while reading is the likely cause
        return found

    def counts(self) -> dict[str, int]:
        """Return the number of faces in each split."""
        return {s: int((self.split == s).sum()) for s in SPLITS}

    def counts_text(self) -> str:
        """Return the counts as text: ``train 28,709 · valid 3,589 · test 3,589``."""
        return " · ".join(f"{s} {n:,}" for s, n in self.counts().items())

    def class_counts(self) -> dict[str, int]:
        """Return the number of faces of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(n) for name, n in zip(self.classes, counts, strict=True)}

    def per_class(self) -> dict[str, dict[str, int]]:
        """Return the number of faces of each class, by split."""
        tables = {s: np.bincount(self.labels[self.split == s], minlength=len(self.classes)) for s in SPLITS}
        return {s: {name: int(table[i]) for i, name in enumerate(self.classes)} for s, table in tables.items()}

    def imbalance(self) -> str:
        """Return a sentence on the class imbalance of the training faces; empty if the classes are nearly balanced."""
        counts = {name: n for name, n in self.per_class()["train"].items() if n}
        if len(counts) < 2:
            return ""
        largest, smallest = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
        ratio = counts[largest] / counts[smallest]
        if ratio < _UNEQUAL:
            return ""
        words = f"{capitalized(largest)} has {ratio:.1f} times as many training faces as {smallest}."
        if ratio >= _VERY_UNEQUAL:
            words += " A network learns to predict rare classes rarely; class weights make their faces count more."
        return words

    def label_name(self, index: int) -> str:
        """Return the class name of the face at ``index``."""
        return self.classes[int(self.labels[index])]

    @property
    def all_faces(self) -> FaceDataset:
        """The data set with every face that has votes: ``as_labeled`` if set, else this one."""
        return self.as_labeled or self

    @property
    def cache_key(self) -> str:
        """Cache key of results computed from these faces: the fingerprint and how the labels were derived."""
        if self.truth == "labels" and not self.class_map:
            return self.fingerprint
        view = json.dumps([self.truth, [mapped.to_dict() for mapped in self.class_map]])
        return hashlib.sha256(f"{self.fingerprint} {view}".encode()).hexdigest()


def content_fingerprint(dataset: FaceDataset) -> str:
    """Return the SHA-256 (hex) of the content of a data set, independent of where it was read from."""
    digest = hashlib.sha256(np.ascontiguousarray(dataset.images).data)
    digest.update(np.ascontiguousarray(dataset.labels.astype("<i8")).data)
    digest.update("\n".join(dataset.split.tolist()).encode())
    digest.update("\n".join(dataset.ids.tolist()).encode())
    if dataset.classes != ClassList.fer2013():  # older fingerprints do not include the classes
        digest.update("\n".join(["", *dataset.classes]).encode())
    return digest.hexdigest()
