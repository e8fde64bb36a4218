"""``load``: any source of faces to a :class:`FaceDataset`, told apart by content, kept in the cache."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import numpy as np

from fer_core.data import cache
from fer_core.data.container import Folder, open_zip, zip_content_key
from fer_core.data.dataset import FaceDataset
from fer_core.data.image_folder import read_images
from fer_core.data.parsed import Parsed, Progress
from fer_core.errors import DataError, WorkspaceError
from fer_core.labels import LABELS
from fer_core.workspace import Workspace

ACCEPTED = (
    "a Kaggle zip or folder (train/<emotion>/…), a folder or zip with one sub-folder per emotion, "
    "a csv like fer2013.csv, or the word synthetic"
)


def load(
    source: str | Path,
    *,
    workspace: Workspace | None = None,
    on_progress: Progress | None = None,
    skip_broken: bool = False,
) -> FaceDataset:
    """Faces from a zip, a folder, a csv, or ``synthetic``; the second load of the same content comes from the cache.

    Args:
        source: a path, or ``synthetic``. The kind is told by content, not by the file's ending.
        workspace: where the cache lies; the default workspace if None.
        on_progress: called with (done, total) faces; whatever it raises ends the loading.
        skip_broken: leave faces out that cannot be read (named in ``warnings``) instead of refusing the source.

    Raises:
        DataError: the source is missing, is none of the accepted kinds, is damaged, or holds broken faces.
    """
    workspace = workspace or Workspace.default()
    path = Path(source).expanduser()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise DataError(f"There is nothing at '{source}'. Give {ACCEPTED}.") from error

    if stat.S_ISDIR(mode):
        folder = Folder(path)
        key = _key("folder", folder.content_key(), skip_broken)
    else:
        key = _key("zip", zip_content_key(path), skip_broken)
    dataset = cache.read(workspace, key, path.name)
    if dataset is not None:
        if on_progress is not None:
            on_progress(len(dataset), len(dataset))
        return dataset

    if stat.S_ISDIR(mode):
        parsed = read_images(folder, f"The folder {path}", on_progress)
    else:
        with open_zip(path) as archive:
            parsed = read_images(archive, path.name, on_progress)
    dataset = _finish(path.name, parsed, skip_broken)
    return _keep(workspace, key, dataset)


def _key(kind: str, content: str, skip_broken: bool) -> str:
    return hashlib.sha256(f"{cache.VERSION} {kind} {content} {skip_broken}".encode()).hexdigest()[:32]


def _keep(workspace: Workspace, key: str, dataset: FaceDataset) -> FaceDataset:
    """Write the data set into the cache; where that cannot be, it is still good, only slower next time."""
    try:
        cache.write(workspace, key, dataset)
    except WorkspaceError as error:
        return FaceDataset(
            name=dataset.name,
            images=dataset.images,
            labels=dataset.labels,
            split=dataset.split,
            ids=dataset.ids,
            votes=dataset.votes,
            warnings=(*dataset.warnings, f"The parsed faces could not be kept for the next time: {error}"),
            fingerprint=dataset.fingerprint,
        )
    return dataset


def _finish(name: str, parsed: Parsed, skip_broken: bool) -> FaceDataset:
    total = len(parsed.images) + len(parsed.broken)
    notes = list(parsed.warnings)
    if parsed.broken:
        shown = "; ".join(f"{who} {why}" for who, why in parsed.broken[:3])
        more = f"; and {len(parsed.broken) - 3:,} more" if len(parsed.broken) > 3 else ""
        what = f"{len(parsed.broken):,} of {total:,} faces cannot be used: {shown}{more}"
        if not len(parsed.images):
            raise DataError(f"{name}: {what}.")
        if not skip_broken:
            raise DataError(f"{name}: {what}. Mend them, or choose to skip broken faces (--skip-broken).")
        notes.append(f"Skipped: {what}.")
    for split in dict.fromkeys(parsed.split.tolist()):
        counts = np.bincount(parsed.labels[parsed.split == split], minlength=len(LABELS))
        if missing := [LABELS[i] for i in np.flatnonzero(counts == 0)]:
            notes.append(f"The {split} split has no faces of: {', '.join(missing)}.")
    return FaceDataset(
        name=name,
        images=parsed.images,
        labels=parsed.labels,
        split=parsed.split,
        ids=parsed.ids,
        warnings=tuple(notes),
    )
