"""``load``: reads any source of faces into a :class:`FaceDataset`, and caches it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from fer_core.classes import class_key
from fer_core.data import cache, synthetic
from fer_core.data.class_map import ClassMap, apply_class_map
from fer_core.data.dataset import FaceDataset, Truth
from fer_core.data.parsed import ClassReading, Parsed, Progress, describe_unreadable
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.data.sources.formats import ACCEPTED, ReadOptions, recognize
from fer_core.data.sources.photographs import CropChoice
from fer_core.data.sources.vote_files import VoteFile, attach_votes, find_vote_files
from fer_core.data.votes import label_by_votes
from fer_core.errors import AmbiguousFolders, ConfigError, DataError
from fer_core.formatting import display_safe
from fer_core.store import Store
from fer_core.workspace import Workspace, script_workspace


def load(
    source: str | Path,
    *,
    workspace: Workspace | None = None,
    on_progress: Progress | None = None,
    skip_unreadable: bool = False,
    votes: str | Path | None = None,
    classes: ClassReading = "auto",
    truth: Truth = "labels",
    crop: CropChoice = "ask",
    class_map: ClassMap | Callable[[FaceDataset], ClassMap] = (),
) -> FaceDataset:
    """Load faces from a folder, an archive, a table, or ``synthetic``; loading the same content again uses the cache.

    The format is recognized by content, not by the file name; ``docs/data.md`` lists the formats and layouts. Nothing
    is written but the cache.

    Args:
        source: a path; ``synthetic`` for the built-in drawn faces, or ``synthetic:N`` for N of them.
        workspace: where the cache is; :func:`script_workspace` if None.
        on_progress: called with (done, total) faces; an exception it raises cancels loading.
        skip_unreadable: skip unreadable images (``warnings`` names them) instead of refusing the source.
        votes: FER+'s ``fer2013new.csv``, or a csv with a column ``file`` and one for each class. If None, the former
            or a ``votes.csv`` in or beside the source is used.
        classes: how names become classes. ``auto``: emotions if all folders (labels of a csv) name one of the eight,
            else their own names; ``emotions``: exclude names of no emotion; ``folders``: always their own names;
            ``affectnet``, ``raf-db``, ``fer2013``, ``ferplus``: folders are the label numbers of this data set.
        truth: ``labels`` of the source, or ``votes``: the majority of people's votes, see
            :func:`fer_core.data.votes.label_by_votes`.
        crop: what to do with photographs that are not face crops. ``ask``: refuse them; ``faces``: crop the largest
            face of each, as for predictions; ``none``: use the whole images.
        class_map: changes of the classes, made after ``truth``, see :mod:`fer_core.data.class_map`; or a function that
            returns them for the data set without changes.

    Raises:
        DataError: the source is missing, has an unknown format, is damaged, has unreadable faces or no usable classes,
            or the class map does not fit.
        PhotographsFound: the images are photographs, and ``crop`` is ``ask``.
        ConfigError: ``classes``, ``truth`` or ``crop`` has an unknown value.
    """
    for option, value, choices in (
        ("classes", classes, ClassReading),
        ("truth", truth, Truth),
        ("crop", crop, CropChoice),
    ):
        if value not in get_args(choices):
            raise ConfigError(
                f"{option} cannot be '{display_safe(value)}'; choose one of {', '.join(get_args(choices))}."
            )
    options = ReadOptions(classes, crop, on_progress)
    dataset = _load_source(source, script_workspace(workspace), options, skip_unreadable, votes)
    if truth == "votes":
        dataset = label_by_votes(dataset)
    wanted = class_map(dataset) if callable(class_map) else class_map
    if classes != "folders":
        _refuse_doubled_emotions(dataset, wanted)
    dataset = apply_class_map(dataset, wanted)
    return dataclasses.replace(dataset, warnings=(*dataset.warnings, *_missing_classes(dataset)))


def refuse_unreadable(source: str | Path, workspace: Workspace) -> None:
    """Refuse a path that the user of a workspace may not name: on a shared server, any but uploads and provided data.

    Raises:
        DataError: the path is outside of what the workspace allows.
    """
    if synthetic.parse_source(str(source)) is None and not workspace.may_read(source):
        raise DataError(
            f"'{display_safe(Path(source).name)}' is not among your data. Upload it, or choose data that this server "
            "provides."
        )


def _load_source(
    source: str | Path,
    workspace: Workspace,
    options: ReadOptions,
    skip_unreadable: bool,
    votes: str | Path | None,
) -> FaceDataset:
    """Load the source with its own labels and classes, from the cache if possible."""
    wanted = synthetic.parse_source(str(source))
    if wanted is not None:
        if votes is not None:
            raise DataError("There are no votes on synthetic faces. Do not give --votes.")
        key = _key("synthetic", str(wanted), str(synthetic.VERSION))
        return _cached(
            workspace, key, "synthetic", options.on_progress,
            lambda: synthetic.make_dataset(wanted, options.on_progress),
        )  # fmt: skip

    refuse_unreadable(source, workspace)
    if votes is not None:
        refuse_unreadable(votes, workspace)
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # ~name of an unknown user
        raise DataError(f"Nothing found at '{display_safe(source)}'. Give {ACCEPTED}.") from error
    file_format = recognize(path)
    vote_files = find_vote_files(path, votes)
    chosen = (
        f"skip_unreadable={skip_unreadable} votes={[file.key() for file in vote_files]} classes={options.classes} "
        f"crop={options.crop}"
    )
    try:
        contents = file_format.open(path, options)

        def read() -> FaceDataset:
            parsed, inside = contents.read()
            return _finish(path.name, parsed, skip_unreadable, [*(inside if votes is None else ()), *vote_files])

        if contents.key is None:
            return read()
        return _cached(workspace, _key(file_format.kind, contents.key, chosen), path.name, options.on_progress, read)
    except OSError as error:
        raise DataError(f"{display_safe(path)} cannot be read ({error.strerror or error}).") from error


def _key(kind: str, content: str, options: str) -> str:
    return hashlib.sha256(f"{cache.VERSION} {kind} {content} {options}".encode()).hexdigest()[:32]


def _cached(
    workspace: Workspace, key: str, name: str, on_progress: Progress | None, make: Callable[[], FaceDataset]
) -> FaceDataset:
    """Return the data set cached under ``key``, or make and cache it."""
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
    # The data set is usable all the same; only the next load is slower.
    note = f"The data set could not be cached: {problem}"
    return dataclasses.replace(dataset, warnings=(*dataset.warnings, note))


def _finish(name: str, parsed: Parsed, skip_unreadable: bool, vote_files: Sequence[VoteFile]) -> FaceDataset:
    """Refuse or skip unreadable faces, and add the votes."""
    total = len(parsed.images) + len(parsed.unreadable)
    notes = list(parsed.warnings)
    if parsed.unreadable:
        what = describe_unreadable(parsed.unreadable, total)
        if not len(parsed.images):
            raise DataError(f"{name}: {what}.")
        if not skip_unreadable:
            raise DataError(f"{name}: {what}. Fix or remove them, or skip unreadable images (--skip-unreadable).")
        notes.append(f"Skipped: {what}.")
    votes, more = attach_votes(parsed, vote_files)
    counts, columns = (votes.counts, votes.columns) if votes is not None else (parsed.votes, FERPLUS_COLUMNS)
    return FaceDataset(
        name=name,
        images=parsed.images,
        labels=parsed.labels,
        split=parsed.split,
        ids=parsed.ids,
        classes=parsed.classes,
        votes=counts,
        vote_columns=() if counts is None else columns,
        groups=parsed.groups,
        warnings=(*notes, *more),
    )


def _refuse_doubled_emotions(dataset: FaceDataset, class_map: ClassMap) -> None:
    """Refuse two sibling folders of one emotion unless a class map merges them."""
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
                f'(--merge "{emotion}={",".join(both)}"), or use the folder names as classes (--classes folders).'
            )


def _missing_classes(dataset: FaceDataset) -> list[str]:
    notes = []
    for split in dict.fromkeys(dataset.split.tolist()):
        counts = np.bincount(dataset.labels[dataset.split == split], minlength=len(dataset.classes))
        if missing := [name for name, count in zip(dataset.classes, counts, strict=True) if not count]:
            notes.append(f"The {split} split has no faces of: {', '.join(missing)}.")
    return notes
