"""Collects the rows of a table of faces into a :class:`Parsed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import SplitName
from fer_core.data.parsed import MAX_FACES, ClassReading, Parsed, describe_unreadable
from fer_core.data.sources.tables.labels import Label, classes_of_labels
from fer_core.errors import DataError


@dataclass
class Rows:
    """Rows read so far.

    Attributes:
        where: name of the table in messages.
        images: faces, uint8 (48, 48).
        labels: label of each face.
        splits: split of each face.
        ids: id of each face.
        unreadable: (row, reason) of each unreadable row.
    """

    where: str
    images: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    splits: list[SplitName] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def add(self, image: npt.NDArray[np.uint8], label: Label, split: SplitName, row: str) -> None:
        """Add a face.

        Raises:
            DataError: there are too many faces.
        """
        if len(self.images) >= MAX_FACES:
            raise DataError(f"{self.where} has more than {MAX_FACES:,} rows, the maximum. Give a smaller file.")
        self.images.append(image)
        self.labels.append(label)
        self.splits.append(split)
        self.ids.append(row)

    def parsed(self, how: ClassReading, notes: Sequence[str] = ()) -> Parsed:
        """Return the faces with their classes.

        Raises:
            DataError: there are no rows, or the labels give no classes.
        """
        total = len(self.images) + len(self.unreadable)
        if not total:
            raise DataError(f"{self.where} has no rows.")
        found = classes_of_labels(self.labels, how, self.where)
        if found is None:
            if self.unreadable and not self.labels:
                raise DataError(f"{self.where}: {describe_unreadable(tuple(self.unreadable), total)}.")
            raise DataError(
                f"{self.where}: no label names an emotion. To use the labels as they are, give --classes folders."
            )
        wrong = [(row, found.unreadable[label]) for row, label in zip(self.ids, self.labels, strict=True)
                 if label in found.unreadable]  # fmt: skip
        kept = [i for i, label in enumerate(self.labels) if label in found.position]
        if not kept:
            raise DataError(f"{self.where}: {describe_unreadable((*self.unreadable, *wrong), total)}.")
        return Parsed(
            images=np.stack([self.images[i] for i in kept]),
            classes=found.classes,
            labels=np.array([found.position[self.labels[i]] for i in kept], dtype=np.int64),
            split=np.array([self.splits[i] for i in kept], dtype=np.str_),
            ids=np.array([self.ids[i] for i in kept], dtype=np.str_),
            unreadable=(*self.unreadable, *wrong),
            warnings=(*notes, *found.notes),
            excluded=tuple(row for row, label in zip(self.ids, self.labels, strict=True) if label in found.excluded),
        )
