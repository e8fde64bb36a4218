"""The one record of a loaded data set, checked when made."""

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
"""What a face's label is: the one its source gives, or the majority of people's votes."""
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")

_UNEQUAL, _VERY_UNEQUAL = 1.5, 3.0
"""Times as many training faces in the largest class as in the smallest, from which on something is said."""

_SPLIT_ALIASES: dict[str, SplitName] = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid", "publictest": "valid",
    "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip


def find_split(name: str) -> SplitName | None:
    """The split called ``name``, in any case, by any of the names data sets use (FER2013's too); None for others."""
    return _SPLIT_ALIASES.get(name.strip().lower())


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Grey faces with labels and splits; arrays are read-only.

    Attributes:
        name: short name for people, e.g. ``fer2013.zip``.
        images: uint8 (N, 48, 48).
        labels: int64 (N,), positions in ``classes``.
        split: str (N,), each of ``train``, ``valid``, ``test``.
        ids: str (N,), unique and stable: ``train/angry/Training_1426440.jpg`` or ``row 17``.
        classes: the classes that the labels mean.
        votes: how many people named each of ``vote_columns``, int64 (N, K); a row of zeros where a face has no
            votes; None where none are loaded.
        vote_columns: what can be voted for, K names: FER+'s ten columns, or those of a ``votes.csv``.
        groups: str (N,), the person, session or take of each face, ``""`` where it has none; None where nothing is
            known. No automatic split divides one.
        truth: where the labels come from: ``labels`` as the source gives them, ``votes`` the majority of the votes.
        class_map: how the classes were made from those of the source; empty where they are the source's own.
        as_labelled: where ``truth`` is ``votes``: the data set with its source's own labels and classes, before any
            class map; it has the faces without a majority too. None otherwise.
        warnings: sentences for the user (a class is missing, broken images were skipped).
        fingerprint: sha-256 hex over images, labels, split and ids of the source, before ``truth`` and
            ``class_map``: the identity of the content, to which a person's marks belong.
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
    as_labelled: FaceDataset | None = None
    warnings: tuple[str, ...] = ()
    fingerprint: str = field(default="")

    def __post_init__(self) -> None:
        n = len(self.images)
        if n == 0:
            raise DataError(f"{self.name} holds no faces.")
        if self.images.dtype != np.uint8 or self.images.shape != (n, FACE_SIZE, FACE_SIZE):
            raise DataError(
                f"{self.name}: images must be uint8 (N, {FACE_SIZE}, {FACE_SIZE}), they are {self.images.dtype} {self.images.shape}."
            )
        for what, array in (
            ("labels", self.labels), ("split", self.split), ("ids", self.ids), ("groups", self.groups),
        ):  # fmt: skip
            if array is not None and array.shape != (n,):
                raise DataError(f"{self.name}: {what} must have shape ({n},), it has {array.shape}.")
        if self.labels.dtype != np.int64:
            raise DataError(f"{self.name}: labels must be int64, they are {self.labels.dtype}.")
        if len(set(self.ids.tolist())) != n:
            raise DataError(f"{self.name}: two faces have the same id; ids must be unique.")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise DataError(f"{self.name}: labels must lie in 0…{len(self.classes) - 1}.")
        if unknown := set(np.unique(self.split)) - set(SPLITS):
            raise DataError(f"{self.name}: unknown splits {sorted(unknown)}; expected {', '.join(SPLITS)}.")
        if self.votes is not None and self.votes.shape != (n, len(self.vote_columns)):
            raise DataError(
                f"{self.name}: votes must have shape ({n}, {len(self.vote_columns)}), they have {self.votes.shape}."
            )
        for values in (self.images, self.labels, self.split, self.ids, self.votes, self.groups):
            if values is not None:
                values.flags.writeable = False
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", content_fingerprint(self))

    def __len__(self) -> int:
        return len(self.images)

    def indices(self, split: str) -> npt.NDArray[np.int64]:
        """Positions of the faces of one split, int64 (n,), ascending.

        Raises:
            DataError: the name is not a split, or the split is empty.
        """
        if split not in SPLITS:
            raise DataError(f"'{split}' is not a split; choose one of {', '.join(SPLITS)}.")
        found = np.flatnonzero(self.split == split)
        if not len(found):
            said = [f"{self.name} has no faces in its {split} split ({self.counts_text()}).", *self.warnings]
            raise DataError(" ".join(said))  # what was left out while reading is the likely reason
        return found

    def counts(self) -> dict[str, int]:
        """Faces in each split."""
        return {s: int((self.split == s).sum()) for s in SPLITS}

    def counts_text(self) -> str:
        """Counts for people: ``train 28,709 · valid 3,589 · test 3,589``."""
        return " · ".join(f"{s} {n:,}" for s, n in self.counts().items())

    def per_class(self) -> dict[str, dict[str, int]]:
        """Faces for each split and label."""
        tables = {s: np.bincount(self.labels[self.split == s], minlength=len(self.classes)) for s in SPLITS}
        return {s: {name: int(table[i]) for i, name in enumerate(self.classes)} for s, table in tables.items()}

    def imbalance(self) -> str:
        """What the numbers of training faces mean for a training, in words; empty where they are nearly equal."""
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
        """Name of the class that the face at ``index`` is labelled as."""
        return self.classes[int(self.labels[index])]

    @property
    def all_faces(self) -> FaceDataset:
        """The data set that has every face people voted on: ``as_labelled``, or this one."""
        return self.as_labelled or self

    @property
    def cache_key(self) -> str:
        """What results computed from these faces are kept under: the fingerprint, and how the labels were made."""
        if self.truth == "labels" and not self.class_map:
            return self.fingerprint
        view = json.dumps([self.truth, [mapped.to_dict() for mapped in self.class_map]])
        return hashlib.sha256(f"{self.fingerprint} {view}".encode()).hexdigest()


def content_fingerprint(dataset: FaceDataset) -> str:
    """sha-256 hex over the content of a data set, independent of where it was read from."""
    digest = hashlib.sha256(np.ascontiguousarray(dataset.images).data)
    digest.update(np.ascontiguousarray(dataset.labels.astype("<i8")).data)
    digest.update("\n".join(dataset.split.tolist()).encode())
    digest.update("\n".join(dataset.ids.tolist()).encode())
    if dataset.classes != ClassList.fer2013():  # the only list there was when the first fingerprints were kept
        digest.update("\n".join(["", *dataset.classes]).encode())
    return digest.hexdigest()
