"""Parsed data sets kept on disk, so that the second load is instant; safe to delete at any time.

One ``.npz`` for each content: plain arrays, never pickles, with the CRC-32 of every array in the file. A file that is
cut short, damaged or of another version is not believed: it is built again.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_core.data.dataset import FaceDataset
from fer_core.errors import FerError, WorkspaceError
from fer_core.workspace import Workspace, atomic_write

VERSION = 1
"""Raised whenever the readers would make something else of the same source."""
KEEP = 12
"""Data sets kept; beyond that the one unused longest goes. FER2013 takes 92 MB."""


def path_of(workspace: Workspace, key: str) -> Path:
    """Where the data set of this content is kept."""
    return workspace.cache / "data" / f"{key}.npz"


def read(workspace: Workspace, key: str, name: str) -> FaceDataset | None:
    """The data set kept for ``key``, under the name ``name``; None if there is none that can be trusted."""
    path = path_of(workspace, key)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if about["version"] != VERSION or about["key"] != key:
                return None
            dataset = FaceDataset(
                name=name,
                images=stored["images"],
                labels=stored["labels"],
                split=stored["split"],
                ids=stored["ids"],
                votes=stored.get("votes"),
                warnings=tuple(about["warnings"]),
                fingerprint=about["fingerprint"],
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, FerError):
        return None
    with contextlib.suppress(OSError):
        path.touch()  # used now: the last to be cleared away
    return dataset


def write(workspace: Workspace, key: str, dataset: FaceDataset) -> None:
    """Keep a data set for ``key``, and clear away those unused longest.

    Raises:
        WorkspaceError: the workspace cannot be written.
    """
    about = {
        "version": VERSION,
        "key": key,
        "fingerprint": dataset.fingerprint,
        "warnings": list(dataset.warnings),
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "about": np.array(json.dumps(about)),
        "images": dataset.images,
        "labels": dataset.labels,
        "split": dataset.split,
        "ids": dataset.ids,
    }
    if dataset.votes is not None:
        arrays["votes"] = dataset.votes
    path = path_of(workspace, key)
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **arrays)
    try:
        kept = sorted(path.parent.glob("*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in kept[KEEP:]:
            old.unlink()
    except OSError as error:
        raise WorkspaceError(f"Old files in {path.parent} cannot be removed ({error.strerror}).") from error
