"""The one record of a loaded data set, checked when made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import FERPLUS_COLUMNS, LABELS
from fer_core.errors import DataError
from fer_core.preprocess import FACE_SIZE

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")

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
        labels: int64 (N,), indices into :data:`fer_core.classes.LABELS`.
        split: str (N,), each of ``train``, ``valid``, ``test``.
        ids: str (N,), unique and stable: ``train/angry/Training_1426440.jpg`` or ``row 17``.
        votes: FER+ counts, int64 (N, 10) in the order of ``FERPLUS_COLUMNS``; a row of zeros where a face has
            none; None where no votes are loaded.
        warnings: sentences for the user (a class is missing, broken images were skipped).
        fingerprint: sha-256 hex over images, labels, split and ids: the identity of the content.
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    split: npt.NDArray[np.str_]
    ids: npt.NDArray[np.str_]
    votes: npt.NDArray[np.int64] | None = None
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
        for what, array in (("labels", self.labels), ("split", self.split), ("ids", self.ids)):
            if array.shape != (n,):
                raise DataError(f"{self.name}: {what} must have shape ({n},), it has {array.shape}.")
        if self.labels.dtype != np.int64:
            raise DataError(f"{self.name}: labels must be int64, they are {self.labels.dtype}.")
        if len(set(self.ids.tolist())) != n:
            raise DataError(f"{self.name}: two faces have the same id; ids must be unique.")
        if self.labels.min() < 0 or self.labels.max() >= len(LABELS):
            raise DataError(f"{self.name}: labels must lie in 0…{len(LABELS) - 1}.")
        if unknown := set(np.unique(self.split)) - set(SPLITS):
            raise DataError(f"{self.name}: unknown splits {sorted(unknown)}; expected {', '.join(SPLITS)}.")
        if self.votes is not None and self.votes.shape != (n, len(FERPLUS_COLUMNS)):
            raise DataError(
                f"{self.name}: votes must have shape ({n}, {len(FERPLUS_COLUMNS)}), they have {self.votes.shape}."
            )
        for values in (self.images, self.labels, self.split, self.ids, self.votes):
            if values is not None:
                values.flags.writeable = False
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", content_fingerprint(self.images, self.labels, self.split, self.ids))

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
        tables = {s: np.bincount(self.labels[self.split == s], minlength=len(LABELS)) for s in SPLITS}
        return {s: {name: int(table[i]) for i, name in enumerate(LABELS)} for s, table in tables.items()}


def content_fingerprint(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    split: npt.NDArray[np.str_],
    ids: npt.NDArray[np.str_],
) -> str:
    """sha-256 hex over the content of a data set, independent of where it was read from."""
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels.astype("<i8")).data)
    digest.update("\n".join(split.tolist()).encode())
    digest.update("\n".join(ids.tolist()).encode())
    return digest.hexdigest()
