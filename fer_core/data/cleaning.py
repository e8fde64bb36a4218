"""Removes duplicates, blank images and marked faces from a split; the source never changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import FaceDataset
from fer_core.data.duplicates import pixel_groups
from fer_core.data.marks import corrected_label, marks_for, positions, relabeled
from fer_core.data.protocols import ProtocolSplit
from fer_core.errors import DataError
from fer_core.workspace import Workspace

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What to exclude.

    Attributes:
        drop_duplicates: keep one of the training faces with identical pixels, and none with a duplicate in another
            split; exclude evaluated faces with a duplicate in train or valid.
        drop_blank: exclude images with a single gray value.
        use_marks: relabel marked faces (``wrong_label``) or exclude them (``not_a_face``, ``ambiguous``).
    """

    drop_duplicates: bool = False
    drop_blank: bool = False
    use_marks: bool = False

    def __bool__(self) -> bool:
        return self.drop_duplicates or self.drop_blank or self.use_marks

    def describe(self) -> str:
        """Return a short text for log lines and titles."""
        parts = {
            "duplicates dropped": self.drop_duplicates,
            "blanks dropped": self.drop_blank,
            "marks used": self.use_marks,
        }
        return ", ".join(name for name, on in parts.items() if on)


def blank(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which images have a single gray value, bool (N,)."""
    flat = images.reshape(len(images), -1)
    return np.asarray(flat.min(axis=1) == flat.max(axis=1))


def apply_marks(dataset: FaceDataset, workspace: Workspace) -> tuple[FaceDataset, Indices]:
    """Return the data set with corrected labels, and the positions of the faces to exclude.

    Excluded are faces marked as unusable and faces relabeled to a class that the class map drops. The fingerprint
    remains that of the source, because the images are the same.

    Raises:
        DataError: the marks are damaged or name unknown faces.
    """
    marks = marks_for(dataset, workspace)
    current = positions(dataset, marks.current(), marks.path)
    unusable = sorted(
        i for i, mark in current.items() if mark.kind != "wrong_label" or corrected_label(dataset, mark) is None
    )
    return replace(dataset, labels=relabeled(dataset, current)), np.array(unusable, dtype=np.int64)


def clean_split(
    dataset: FaceDataset, split: ProtocolSplit, cleaning: Cleaning, workspace: Workspace
) -> tuple[FaceDataset, ProtocolSplit]:
    """Return the data set and split after cleaning. Validation faces are only excluded if blank or marked.

    Raises:
        DataError: no training or validation faces are left.
    """
    drop = np.zeros(len(dataset), bool)
    if cleaning.use_marks:
        dataset, unusable = apply_marks(dataset, workspace)
        drop[unusable] = True
    if cleaning.drop_blank:
        drop |= blank(dataset.images)
    train = split.train[~drop[split.train]]
    valid = split.valid[~drop[split.valid]]
    leak_free = split.leak_free[~drop[split.leak_free]] if split.leak_free is not None else None
    if cleaning.drop_duplicates:
        groups = pixel_groups(dataset.images)
        own = np.zeros(len(dataset), bool)
        own[split.train] = True
        elsewhere = np.isin(groups[train], groups[~own])
        train = train[~elsewhere]
        _, first = np.unique(groups[train], return_index=True)
        train = train[np.sort(first)]
        if split.protocol == "leaky":
            valid = np.intersect1d(valid, train)
    if not len(train) or not len(valid):
        raise DataError(
            f"After cleaning ({cleaning.describe()}), {dataset.name} has no faces left to train or validate on."
        )
    return dataset, replace(split, train=train, valid=valid, leak_free=leak_free)


def clean_indices(
    dataset: FaceDataset, name: str, cleaning: Cleaning, workspace: Workspace
) -> tuple[FaceDataset, Indices]:
    """Return the data set with corrected labels, and the positions of the faces of one split after cleaning.

    Raises:
        DataError: the split is empty, before or after cleaning.
    """
    indices = dataset.indices(name)
    if cleaning.use_marks:
        dataset, unusable = apply_marks(dataset, workspace)
        indices = np.setdiff1d(indices, unusable)
    if cleaning.drop_blank:
        indices = indices[~blank(dataset.images[indices])]
    if cleaning.drop_duplicates:
        indices = deduplicated(dataset, indices)
    if not len(indices):
        raise DataError(f"After cleaning ({cleaning.describe()}), the {name} split of {dataset.name} is empty.")
    return dataset, indices


def deduplicated(dataset: FaceDataset, indices: Indices) -> Indices:
    """Return ``indices`` without faces that have an exact duplicate in another split used for training (train, valid)."""
    groups = pixel_groups(dataset.images)
    own = np.isin(np.arange(len(dataset)), indices)
    known = ((dataset.split == "train") | (dataset.split == "valid")) & ~own
    return indices[~np.isin(groups[indices], groups[known])]
