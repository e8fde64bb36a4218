"""Caches parsed data sets in the store, so that loading the same content again is instant."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data.dataset import FaceDataset
from fer_core.store import Entry, Store

VERSION = 5
"""Increment whenever the readers parse the same source differently."""


def read(store: Store, key: str, name: str) -> FaceDataset | None:
    """Return the data set cached under ``key``, named ``name``; None if there is no valid entry."""

    def dataset(entry: Entry) -> FaceDataset:
        return FaceDataset(
            name=name,
            images=entry.arrays["images"],
            labels=entry.arrays["labels"],
            split=entry.arrays["split"],
            ids=entry.arrays["ids"],
            classes=ClassList(tuple(entry.values["classes"])),
            votes=entry.arrays.get("votes"),
            vote_columns=tuple(entry.values["vote_columns"]),
            groups=entry.arrays.get("groups"),
            warnings=tuple(entry.values["warnings"]),
            fingerprint=entry.values["fingerprint"],
        )

    return store.get("data", key, dataset)


def write(store: Store, key: str, dataset: FaceDataset) -> str | None:
    """Cache a data set under ``key``; return the reason if it cannot be written, else None."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "images": dataset.images,
        "labels": dataset.labels,
        "split": dataset.split,
        "ids": dataset.ids,
    }
    if dataset.votes is not None:
        arrays["votes"] = dataset.votes
    if dataset.groups is not None:
        arrays["groups"] = dataset.groups
    return store.put(
        "data", key, arrays,
        fingerprint=dataset.fingerprint, warnings=list(dataset.warnings),
        classes=list(dataset.classes), vote_columns=list(dataset.vote_columns),
    )  # fmt: skip
