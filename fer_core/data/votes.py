"""People's votes on faces: the column of each class, majority labels, and soft targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data.dataset import FaceDataset
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.errors import DataError

Ints = npt.NDArray[np.int64]


def columns_of(columns: Sequence[str], classes: ClassList) -> list[int | None]:
    """Return the position of each class's column, matched by name; None for a class without a column."""
    found: list[int | None] = [None] * len(classes)
    for position, column in enumerate(columns):
        of_class = classes.find(column)
        if of_class is not None and (found[of_class] is None or classes[of_class] == column):
            found[of_class] = position
    return found


def class_votes(votes: Ints, columns: Sequence[str], classes: ClassList) -> Ints:
    """Convert votes by column, (N, K), to votes by class, int64 (N, C); zeros for a class without a column."""
    counts = np.zeros((len(votes), len(classes)), np.int64)
    for of_class, column in enumerate(columns_of(columns, classes)):
        if column is not None:
            counts[:, of_class] = votes[:, column]
    return counts


def without_outliers(votes: Ints) -> Ints:
    """Return votes (N, K) without outliers: counts of one become 0 in every column.

    If no choice has more than one vote, all votes stay, so that faces rated by one person have a majority.
    """
    return np.where((votes == 1) & (votes.max(axis=1, initial=0) > 1)[:, None], 0, votes)


def majority(votes: Ints, columns: Sequence[str], classes: ClassList) -> Ints:
    """Return the majority class of each face, int64 (N,), or -1 if there is none.

    Majority mode of Barsoum et al. 2016: outliers are removed, see :func:`without_outliers`; one class must have
    strictly more than half of the remaining votes, which include *unknown* and *not a face*.
    """
    counts = without_outliers(votes)
    class_of = np.full(len(columns), -1, np.int64)
    for of_class, column in enumerate(columns_of(columns, classes)):
        if column is not None:
            class_of[column] = of_class
    wins = 2 * counts.max(axis=1, initial=0) > counts.sum(axis=1)
    return np.where(wins, class_of[counts.argmax(axis=1)], -1)


def vote_targets(
    votes: Ints, columns: Sequence[str], classes: ClassList
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return soft targets: the distribution of people's votes over the classes.

    Removes outliers, see :func:`without_outliers`, then votes for no class (*unknown*, *not a face*), and normalizes
    the rest. A face has no target if votes for no class are half or more of the non-outliers, or if it has no votes.

    Args:
        votes: int64 (N, K).
        columns: names of the K choices.
        classes: C classes, matched to ``columns`` by name.

    Returns:
        Targets float32 (N, C), rows with sum 1, or all zero without a target; and bool (N,), whether a target exists.
    """
    counts = without_outliers(votes)
    for_classes = class_votes(counts, columns, classes)
    total = for_classes.sum(axis=1)
    has_target = 2 * total > counts.sum(axis=1)
    shares = for_classes / np.maximum(total, 1)[:, None]
    return np.where(has_target[:, None], shares, 0).astype(np.float32), has_target


def classes_of_votes(dataset: FaceDataset) -> ClassList:
    """Return the classes with votes: FER+'s eight, or those classes of the data set that have a column.

    Raises:
        DataError: there are no votes, or votes for fewer than two classes.
    """
    if dataset.votes is None:
        reasons = [warning for warning in dataset.warnings if "otes" in warning]
        raise DataError(
            " ".join(
                [
                    f"{dataset.name} has no votes. For FER2013, put FER+'s fer2013new.csv beside it (for image files "
                    "also fer2013_order.csv); for other data, a votes.csv with a column for the file and one for each "
                    "class. Or name the file with --votes FILE.",
                    *reasons,
                ]
            )
        )
    if dataset.vote_columns == FERPLUS_COLUMNS:
        return ClassList.ferplus()
    columns = columns_of(dataset.vote_columns, dataset.classes)
    voted = [name for name, column in zip(dataset.classes, columns, strict=True) if column is not None]
    if len(voted) == len(dataset.classes):
        return dataset.classes
    if len(voted) < 2:
        raise DataError(
            f"{dataset.name} has votes for {len(voted)} of its classes ({', '.join(dataset.classes)}); at least two "
            f"are needed. The columns are {', '.join(dataset.vote_columns)}."
        )
    return ClassList(tuple(voted))


def label_by_votes(dataset: FaceDataset) -> FaceDataset:
    """Return the data set labeled by the majority of the votes; faces without one are excluded and counted.

    FER+ votes give FER+'s eight classes; other votes give those classes of the data set that have a column.

    Raises:
        DataError: there are no votes, votes for fewer than two classes, or no face has a majority.
    """
    classes = classes_of_votes(dataset)
    assert dataset.votes is not None  # classes_of_votes raises without votes
    labels = majority(dataset.votes, dataset.vote_columns, classes)
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise DataError(f"{dataset.name}: none of its {len(dataset):,} faces has a majority of votes.")
    warnings = dataset.warnings
    if left_out := len(dataset) - len(kept):
        note = f"{left_out:,} of {len(dataset):,} faces have no majority of votes for a class; they are excluded."
        warnings = (*warnings, note)
    return dataclasses.replace(
        dataset,
        images=dataset.images[kept],
        labels=labels[kept],
        split=dataset.split[kept],
        ids=dataset.ids[kept],
        classes=classes,
        votes=dataset.votes[kept],
        groups=None if dataset.groups is None else dataset.groups[kept],
        truth="votes",
        as_labeled=dataset,
        warnings=warnings,
    )
