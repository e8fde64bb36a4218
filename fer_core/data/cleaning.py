"""A clean copy of a protocol: without duplicates, blank images or faces a person marked; the source never changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import FaceDataset
from fer_core.data.duplicates import pixel_groups
from fer_core.data.marks import corrected_label, marks_for, positions, relabelled
from fer_core.data.protocols import ProtocolSplit
from fer_core.errors import DataError
from fer_core.workspace import Workspace

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What to leave out.

    Attributes:
        drop_duplicates: of training faces with the same pixels one is kept, and none that also stands in another
            split; evaluated faces with a copy in train or valid are left out.
        drop_blank: images of one grey value are left out.
        use_marks: marked faces are relabelled (``wrong_label``) or left out (``not_a_face``, ``ambiguous``).
    """

    drop_duplicates: bool = False
    drop_blank: bool = False
    use_marks: bool = False

    def __bool__(self) -> bool:
        return self.drop_duplicates or self.drop_blank or self.use_marks

    def describe(self) -> str:
        """For log lines and titles."""
        parts = {
            "duplicates dropped": self.drop_duplicates,
            "blanks dropped": self.drop_blank,
            "marks used": self.use_marks,
        }
        return ", ".join(name for name, on in parts.items() if on)


def blank(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which images hold one single grey value, bool (N,)."""
    flat = images.reshape(len(images), -1)
    return np.asarray(flat.min(axis=1) == flat.max(axis=1))


def apply_marks(dataset: FaceDataset, workspace: Workspace) -> tuple[FaceDataset, Indices]:
    """The data set with corrected labels, and the positions of faces to leave out: marked as not
    usable, or corrected to a class that the class map drops.

    The fingerprint stays that of the source: the faces are the same.

    Raises:
        DataError: the marks are damaged or name faces that are not there.
    """
    marks = marks_for(dataset, workspace)
    current = positions(dataset, marks.current(), marks.path)
    unusable = sorted(
        i for i, mark in current.items() if mark.kind != "wrong_label" or corrected_label(dataset, mark) is None
    )
    return replace(dataset, labels=relabelled(dataset, current)), np.array(unusable, dtype=np.int64)


def clean_split(
    dataset: FaceDataset, split: ProtocolSplit, cleaning: Cleaning, workspace: Workspace
) -> tuple[FaceDataset, ProtocolSplit]:
    """The data set and split a training uses after cleaning. Validation keeps its faces but for blanks and marks.

    Raises:
        DataError: nothing is left to train or validate on.
    """
    drop = np.zeros(len(dataset), bool)
    if cleaning.use_marks:
        dataset, unusable = apply_marks(dataset, workspace)
        drop[unusable] = True
    if cleaning.drop_blank:
        drop |= blank(dataset.images)
    train = split.train[~drop[split.train]]
    valid = split.valid[~drop[split.valid]]
    honest = split.honest[~drop[split.honest]] if split.honest is not None else None
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
            f"After cleaning ({cleaning.describe()}) nothing is left of {dataset.name} to train or validate on."
        )
    return dataset, replace(split, train=train, valid=valid, honest=honest)


def clean_indices(
    dataset: FaceDataset, name: str, cleaning: Cleaning, workspace: Workspace
) -> tuple[FaceDataset, Indices]:
    """The faces of one split to evaluate on after cleaning, and the data set with corrected labels.

    Raises:
        DataError: the split is empty, or nothing is left of it.
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
        raise DataError(
            f"After cleaning ({cleaning.describe()}) nothing is left of the {name} split of {dataset.name}."
        )
    return dataset, indices


def deduplicated(dataset: FaceDataset, indices: Indices) -> Indices:
    """``indices`` without the faces whose pixels stand in another split that is trained or chosen on (train, valid)."""
    groups = pixel_groups(dataset.images)
    own = np.isin(np.arange(len(dataset)), indices)
    known = ((dataset.split == "train") | (dataset.split == "valid")) & ~own
    return indices[~np.isin(groups[indices], groups[known])]
