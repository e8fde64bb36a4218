"""Deletes everything about a person that teaching kept: faces, features and models."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fer_core.data.sources.layouts.takes import MANIFEST, parse_manifest
from fer_core.errors import ConfigError, DataError, FerError, WorkspaceError
from fer_core.inference import read_info
from fer_core.inference.engines import weights_key
from fer_core.store import Kind, Store
from fer_core.teach.result import MODEL
from fer_core.teach.takes import TakeStore
from fer_core.workspace import Workspace

_OF_DATA_SETS: Final[tuple[Kind, ...]] = ("features", "predictions", "top-faces")
"""Kinds of cache entries with numbers about single faces of data sets."""


@dataclass(frozen=True)
class Removed:
    """What was deleted.

    Attributes:
        faces: number of faces, deleted ones that could still be restored included.
        takes: number of takes.
        features: number of takes whose cached features were deleted.
        models: number of taught models.
        runs: number of trainings on takes.
    """

    faces: int
    takes: int
    features: int
    models: int
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What was deleted, as a sentence."""
        return (
            f"Deleted {self.faces:,} faces in {self.takes:,} takes, the features of {self.features:,} takes, {self.models:,} taught "
            f"models and {self.runs:,} trainings on takes."
        )


def delete_everything(workspace: Workspace) -> Removed:
    """Delete all takes, their cached features, all taught models, and all trainings on takes.

    Takes may have been evaluated as a data set. The cache does not say which of its features and predictions belong to takes, so
    it loses those of all data sets; they are computed again when needed.

    Recordings and snapshots of the webcam are not touched; they have a folder of their own.

    Raises:
        RunError: a training on takes is running.
        WorkspaceError: another window is changing takes, or a file cannot be deleted.
    """
    runs = _delete_runs(workspace)
    store = Store(workspace)
    models = _delete_models(workspace, store)
    faces = takes = 0
    for folder in _folders(workspace.takes):
        with _locked(workspace, folder.name):
            more = _count(folder)
            faces, takes = faces + more[0], takes + more[1]
            _remove(folder)
    for left in (workspace.takes, workspace.taught):
        if left.is_dir():
            _remove(left)
    features = store.clear("take-features")
    for kind in _OF_DATA_SETS:
        store.clear(kind)
    return Removed(faces, takes, features, models, runs)


def _locked(workspace: Workspace, name: str) -> contextlib.AbstractContextManager[None]:
    """Return the lock of a set; nothing for a folder whose name no set can have."""
    try:
        return TakeStore(workspace, name).locked()
    except ConfigError:
        return contextlib.nullcontext()


def delete_taught(name: str, workspace: Workspace) -> None:
    """Delete one taught model; its takes stay.

    Raises:
        WorkspaceError: a file cannot be deleted.
    """
    store = TakeStore(workspace, name)
    folder = workspace.taught / name
    if folder.is_dir():
        with store.locked():
            _forget_onnx(folder, Store(workspace))
            _remove(folder)


def delete_takes(store: TakeStore) -> None:
    """Delete all takes of a set at once, without undo; the model stays.

    Raises:
        WorkspaceError: another window is changing them, or a file cannot be deleted.
    """
    if store.path.is_dir():
        with store.locked():
            _remove(store.path)
        Store(store.workspace).clear("take-features")


def _delete_models(workspace: Workspace, store: Store) -> int:
    count = 0
    for folder in _folders(workspace.taught):
        count += (folder / MODEL).is_file()
        _forget_onnx(folder, store)
        _remove(folder)
    return count


def _forget_onnx(folder: Path, store: Store) -> None:
    with contextlib.suppress(FerError):  # a damaged model has no ONNX file in the store
        path = folder / MODEL
        store.remove("onnx", weights_key(path, read_info(path)))


def _delete_runs(workspace: Workspace) -> int:
    from fer_core.training.runs import delete_run, list_runs

    takes = workspace.takes.resolve()
    count = 0
    for run in list_runs(workspace):
        try:
            source = Path(run.config.data).expanduser().resolve()
        except (FerError, OSError, RuntimeError, ValueError):
            continue
        if source.is_relative_to(takes):
            delete_run(run)
            count += 1
    return count


def _count(folder: Path) -> tuple[int, int]:
    """Return the number of faces and takes of a set."""
    try:
        takes = parse_manifest((folder / MANIFEST).read_bytes(), str(folder)).takes
    except (OSError, DataError):
        return sum(1 for _ in folder.glob("*/*.png")), sum(path.is_dir() for path in _folders(folder))
    return sum(len(take.faces) for take in takes), len(takes)


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WorkspaceError(
            f"{error.filename or path} cannot be deleted ({error.strerror or error}). Close what uses it, and delete it by hand."
        ) from error
