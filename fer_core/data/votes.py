"""People's votes on faces: the column of each class, the majority as a label, the shares as soft targets."""

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
    """For each class the position of its column, by name; None where it has none."""
    found: list[int | None] = [None] * len(classes)
    for position, column in enumerate(columns):
        of_class = classes.find(column)
        if of_class is not None and (found[of_class] is None or classes[of_class] == column):
            found[of_class] = position
    return found


def class_votes(votes: Ints, columns: Sequence[str], classes: ClassList) -> Ints:
    """Votes for each of C classes, int64 (N, C), from those for K columns, (N, K); zeros where a class has no column."""
    counts = np.zeros((len(votes), len(classes)), np.int64)
    for of_class, column in enumerate(columns_of(columns, classes)):
        if column is not None:
            counts[:, of_class] = votes[:, column]
    return counts


def without_outliers(votes: Ints) -> Ints:
    """Votes (N, K) without those of a single person: counts of one become 0 in every column.

    Where no choice has more than one vote, all of them stay, so that faces which one person labelled have a majority.
    """
    return np.where((votes == 1) & (votes.max(axis=1, initial=0) > 1)[:, None], 0, votes)


def majority(votes: Ints, columns: Sequence[str], classes: ClassList) -> Ints:
    """The class that most people see in each face, int64 (N,), or -1.

    The majority mode of Barsoum et al. 2016: outliers are left out, see :func:`without_outliers`; of the votes that
    remain, those for *unknown* or *not a face* included, strictly more than half must be for one class.
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
    """Soft targets: how people's votes on each face are divided among the classes.

    Outliers are left out, see :func:`without_outliers`, then the votes for what is no class, such as *unknown* and *not
    a face*; the rest is normalized. A face has no target where what is no class holds half or more of the votes that
    are no outliers, or where there are none.

    Args:
        votes: int64 (N, K).
        columns: what the votes are for, K names.
        classes: C classes, found among ``columns`` by name.

    Returns:
        Targets float32 (N, C), each row with the sum 1, or all zero where there is no target; and bool (N,), whether
        there is one.
    """
    counts = without_outliers(votes)
    for_classes = class_votes(counts, columns, classes)
    total = for_classes.sum(axis=1)
    has_target = 2 * total > counts.sum(axis=1)
    shares = for_classes / np.maximum(total, 1)[:, None]
    return np.where(has_target[:, None], shares, 0).astype(np.float32), has_target


def classes_of_votes(dataset: FaceDataset) -> ClassList:
    """The classes that people voted for: FER+'s eight, or those classes of the data that are voted on.

    Raises:
        DataError: there are no votes, or they are on fewer than two classes.
    """
    if dataset.votes is None:
        reasons = [warning for warning in dataset.warnings if "otes" in warning]
        raise DataError(
            " ".join(
                [
                    f"{dataset.name} has no votes of people. For FER2013 put FER+'s "
                    "fer2013new.csv beside it (and fer2013_order.csv, if it is image files), for other data a votes.csv "
                    "with a column for the file and one for each class; or name the file (--votes FILE).",
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
            f"{dataset.name}: people voted on {len(voted)} of its classes ({', '.join(dataset.classes)}); at least two "
            f"are needed. The columns are {', '.join(dataset.vote_columns)}."
        )
    return ClassList(tuple(voted))


def label_by_votes(dataset: FaceDataset) -> FaceDataset:
    """The data set with the majority of people's votes for labels; faces without one are left out and counted.

    FER+'s votes have FER+'s eight classes. Votes of one's own have those classes of the data that are voted on.

    Raises:
        DataError: there are no votes, they are on fewer than two classes, or no face has a majority.
    """
    classes = classes_of_votes(dataset)
    assert dataset.votes is not None  # else it has no such classes
    labels = majority(dataset.votes, dataset.vote_columns, classes)
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise DataError(f"{dataset.name}: people's votes have no majority for any of its {len(dataset):,} faces.")
    warnings = dataset.warnings
    if left_out := len(dataset) - len(kept):
        note = (
            f"{left_out:,} of {len(dataset):,} faces have no majority of people's votes for a class; they are left out."
        )
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
        as_labelled=dataset,
        warnings=warnings,
    )
