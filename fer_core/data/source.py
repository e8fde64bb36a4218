"""``load``: any source of faces to a :class:`FaceDataset`, told apart by content, kept in the cache."""

from __future__ import annotations

import dataclasses
import hashlib
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from fer_core.classes import class_key
from fer_core.data import cache, synthetic
from fer_core.data.class_map import ClassMap, apply_class_map
from fer_core.data.dataset import FaceDataset, Truth
from fer_core.data.parsed import ClassReading, Parsed, Progress, unusable
from fer_core.data.sources.containers.container import Folder, open_zip, zip_content_key
from fer_core.data.sources.contents import choose
from fer_core.data.sources.tables.face_csv import find_columns, missing_columns, read_csv
from fer_core.data.sources.vote_files import (
    VoteFile,
    attach,
    find_vote_files,
    find_votes_inside,
    votes_inside,
)
from fer_core.data.votes import label_by_votes
from fer_core.errors import AmbiguousFolders, ConfigError, DataError
from fer_core.images import looks_like_image
from fer_core.store import Store
from fer_core.workspace import Workspace, script_workspace

ACCEPTED = (
    "FER2013 as Kaggle's zip or folder, a csv such as fer2013.csv, a folder or zip with one sub-folder per class, "
    "or the word synthetic"
)
"""The forms of a source, for messages and help."""

_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
)


def load(
    source: str | Path,
    *,
    workspace: Workspace | None = None,
    on_progress: Progress | None = None,
    skip_unreadable: bool = False,
    votes: str | Path | None = None,
    classes: ClassReading = "auto",
    truth: Truth = "labels",
    class_map: ClassMap | Callable[[FaceDataset], ClassMap] = (),
) -> FaceDataset:
    """Faces from a zip, a folder, a csv, or ``synthetic``; the second load of the same content comes from the cache.

    The kind of source is told by its content, not by the ending of its name. Nothing is written but the cache.

    Args:
        source: a path; ``synthetic`` for the drawn faces that are built in, or ``synthetic:N`` for N of them.
        workspace: where the cache lies; that of a script, :func:`script_workspace`, when None.
        on_progress: called with (done, total) faces; whatever it raises ends the loading.
        skip_unreadable: leave out faces that cannot be read (``warnings`` names them) instead of refusing the source.
        votes: FER+'s ``fer2013new.csv``, or a csv with a column ``file`` and one for each class; if None, the first or
            a ``votes.csv`` is used where it lies in or beside the source.
        classes: ``auto``: the emotions that are there where all folders (labels of a csv) name one of the eight, else
            their own names; ``emotions``: what names no emotion is left out; ``folders``: always their own names.
        truth: ``labels`` as the source gives them, or ``votes``: the majority of people's votes, by
            :func:`fer_core.data.votes.label_by_votes`.
        class_map: how to change the classes, after ``truth``; see :mod:`fer_core.data.class_map`; or a function that makes the map
            from the data set before it.

    Raises:
        DataError: the source is missing, is none of the accepted kinds, is damaged, holds broken faces or no usable
            classes, or the class map does not fit.
        ConfigError: ``classes`` or ``truth`` is none of its words.
    """
    if classes not in get_args(ClassReading):
        raise ConfigError(f"'{classes}' is no way to read classes; choose one of {', '.join(get_args(ClassReading))}.")
    if truth not in get_args(Truth):
        raise ConfigError(f"'{truth}' cannot be the truth; choose one of {', '.join(get_args(Truth))}.")
    dataset = _load_source(source, script_workspace(workspace), on_progress, skip_unreadable, votes, classes)
    if truth == "votes":
        dataset = label_by_votes(dataset)
    wanted = class_map(dataset) if callable(class_map) else class_map
    if classes != "folders":
        _refuse_doubled_emotions(dataset, wanted)
    dataset = apply_class_map(dataset, wanted)
    return dataclasses.replace(dataset, warnings=(*dataset.warnings, *_missing_classes(dataset)))


def _load_source(
    source: str | Path,
    workspace: Workspace,
    on_progress: Progress | None,
    skip_unreadable: bool,
    votes: str | Path | None,
    classes: ClassReading,
) -> FaceDataset:
    """The faces of the source with its own labels and classes, from the cache if they are there."""
    wanted = synthetic.parse_source(str(source))
    if wanted is not None:
        if votes is not None:
            raise DataError("The synthetic faces are drawn, so there are no votes on them. Leave the votes out.")
        key = _key("synthetic", str(wanted), str(synthetic.VERSION))
        return _cached(workspace, key, "synthetic", on_progress, lambda: synthetic.make_dataset(wanted, on_progress))

    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # ~name of a user there is not
        raise DataError(f"There is nothing at '{source}'. Give {ACCEPTED}.") from error
    kind = recognise(path)
    vote_files = find_vote_files(path, votes)
    options = f"skip_unreadable={skip_unreadable} votes={[file.key() for file in vote_files]} classes={classes}"

    def finish(parsed: Parsed, inside: Sequence[VoteFile] = ()) -> FaceDataset:
        return _finish(path.name, parsed, skip_unreadable, [*(inside if votes is None else ()), *vote_files])

    try:
        if kind == "folder":
            folder = Folder(path)
            chosen = choose(folder, f"The folder {path}", classes)
            own_votes = find_votes_inside(folder)
            key = _key(kind, folder.content_key([*chosen.names, *([own_votes] if own_votes else [])]), options)

            def read_folder() -> FaceDataset:
                return finish(chosen.read(folder, on_progress), votes_inside(folder))

            return _cached(workspace, key, path.name, on_progress, read_folder)
        if kind == "zip":

            def read_zip() -> FaceDataset:
                with open_zip(path) as archive:
                    return finish(choose(archive, path.name, classes).read(archive, on_progress), votes_inside(archive))

            key = _key(kind, zip_content_key(path), options)
            return _cached(workspace, key, path.name, on_progress, read_zip)

        def read_file() -> FaceDataset:
            return finish(read_csv(lambda: open(path, "rb"), path.stat().st_size, path.name, on_progress, classes))

        return _cached(workspace, _key(kind, _sha256(path), options), path.name, on_progress, read_file)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error


def recognise(path: Path) -> Literal["folder", "zip", "csv"]:
    """The kind of source, by its content.

    Raises:
        DataError: there is nothing, or nothing of a kind that is read here.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "folder"
        if not stat.S_ISREG(mode):
            raise DataError(f"{path} is neither a file nor a folder. Give {ACCEPTED}.")
        with open(path, "rb") as file:
            start = file.read(4096)
    except FileNotFoundError as error:
        raise DataError(f"There is nothing at '{path}'. Give {ACCEPTED}.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"'{path}' cannot be read ({reason}). Give {ACCEPTED}.") from error
    if not start:
        raise DataError(f"{path.name} is empty. Give {ACCEPTED}.")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    for magic, what in _OTHER_FORMATS:
        if start.startswith(magic):
            raise DataError(f"{path.name} is {what}, not a zip. Unpack it, and give the folder.")
    if looks_like_image(start):
        raise DataError(f"{path.name} is a single image, not a data set. Give {ACCEPTED}.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path.name} is text in UTF-16. Save it as csv in UTF-8.")
    header = start.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip("\r")
    if find_columns(header) is not None:
        return "csv"
    if b"\0" in start or "\ufffd" in header:
        raise DataError(f"{path.name} is no kind of data set that is read here. Give {ACCEPTED}.")
    raise missing_columns(path.name, header)


def _key(kind: str, content: str, options: str) -> str:
    return hashlib.sha256(f"{cache.VERSION} {kind} {content} {options}".encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cached(
    workspace: Workspace, key: str, name: str, on_progress: Progress | None, make: Callable[[], FaceDataset]
) -> FaceDataset:
    """The data set kept for ``key``, or else a new one, which is kept."""
    store = Store(workspace)
    dataset = cache.read(store, key, name)
    if dataset is not None:
        if on_progress is not None:
            on_progress(len(dataset), len(dataset))
        return dataset
    dataset = make()
    problem = cache.write(store, key, dataset)
    if problem is None:
        return dataset
    # The faces are good all the same, only slower the next time.
    note = f"The parsed faces could not be kept for the next time: {problem}"
    return dataclasses.replace(dataset, warnings=(*dataset.warnings, note))


def _finish(name: str, parsed: Parsed, skip_unreadable: bool, vote_files: Sequence[VoteFile]) -> FaceDataset:
    """Refuse or skip broken faces, add the votes."""
    total = len(parsed.images) + len(parsed.broken)
    notes = list(parsed.warnings)
    if parsed.broken:
        what = unusable(parsed.broken, total)
        if not len(parsed.images):
            raise DataError(f"{name}: {what}.")
        if not skip_unreadable:
            raise DataError(f"{name}: {what}. Mend them, or choose to skip broken faces (--skip-unreadable).")
        notes.append(f"Skipped: {what}.")
    votes, more = attach(parsed, vote_files)
    return FaceDataset(
        name=name,
        images=parsed.images,
        labels=parsed.labels,
        split=parsed.split,
        ids=parsed.ids,
        classes=parsed.classes,
        votes=votes.counts if votes is not None else None,
        vote_columns=votes.columns if votes is not None else (),
        groups=parsed.groups,
        warnings=(*notes, *more),
    )


def _refuse_doubled_emotions(dataset: FaceDataset, class_map: ClassMap) -> None:
    """Two folders side by side name one emotion: somebody must say that they are one class."""
    classes = dataset.classes
    if not classes.all_emotions:
        return
    target = {classes.find(source): mapped.name for mapped in class_map for source in mapped.sources}
    by_emotion: dict[str, list[int]] = {}
    for position, name in enumerate(classes):
        by_emotion.setdefault(class_key(name), []).append(position)
    for emotion, positions in by_emotion.items():
        ends = {target.get(i, None if class_map else classes[i]) for i in positions} - {None}
        if len(ends) > 1:
            both = [classes[i] for i in positions]
            quoted = " and ".join(f"'{name}'" for name in both)
            raise AmbiguousFolders(
                f"{dataset.name}: the folders {quoted} both mean {emotion}. Merge them "
                f'(--merge "{emotion}={",".join(both)}"), or read the folders by their own names (--classes folders).'
            )


def _missing_classes(dataset: FaceDataset) -> list[str]:
    notes = []
    for split in dict.fromkeys(dataset.split.tolist()):
        counts = np.bincount(dataset.labels[dataset.split == split], minlength=len(dataset.classes))
        if missing := [name for name, count in zip(dataset.classes, counts, strict=True) if not count]:
            notes.append(f"The {split} split has no faces of: {', '.join(missing)}.")
    return notes
