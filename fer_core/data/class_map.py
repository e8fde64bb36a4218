"""Class maps: rename, merge, drop and reorder the classes of a data set, without touching the data.

A map is a tuple of :class:`fer_core.config.MappedClass`: the new classes in order, each with the classes of the source
that it is made of. A class of the source that no entry names is dropped with its faces. The empty tuple is no map.

The map a person made is kept in the workspace, ``classes/<first 16 of the fingerprint>.json``, and belongs to the
content of the source as it was before any map; every change of it can be undone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fer_core.classes import ClassList, class_key
from fer_core.config import MappedClass
from fer_core.errors import ConfigError, DataError, WorkspaceError
from fer_core.formatting import display_safe, joined
from fer_core.workspace import Workspace, atomic_write, make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fer_core.data.dataset import FaceDataset, Truth

ClassMap = tuple[MappedClass, ...]

_LARGEST_FILE: Final = 4 << 20  # bytes
_MOST_ACTS: Final = 200
"""Most changes that can be undone."""


def parse_merge(text: str) -> tuple[str, tuple[str, ...]]:
    """``negative=angry,disgust`` as (``negative``, (``angry``, ``disgust``)).

    Raises:
        ConfigError: the text does not have this form.
    """
    name, equals, rest = text.partition("=")
    sources = tuple(part.strip() for part in rest.split(",") if part.strip())
    if not equals or not name.strip() or not sources:
        raise ConfigError(
            f"'{display_safe(text)}' is not of the form NAME=CLASS,CLASS, e.g. --merge \"negative=angry,sad\"."
        )
    return name.strip(), sources


def make_class_map(
    classes: ClassList,
    merge: Iterable[tuple[str, Sequence[str]]] = (),
    drop: Iterable[str] = (),
    order: Sequence[str] = (),
) -> ClassMap:
    """The map that changes ``classes`` so; empty where nothing changes.

    Args:
        classes: of the source.
        merge: (new name, classes it is made of); with a single class it is a new name for it. The new class stands
            where the first of its classes stood.
        drop: classes to leave out.
        order: names of new classes, in the order in which they come first; the rest follow as they were.

    Raises:
        DataError: a class is unknown, used twice or both merged and dropped; a new name is taken; fewer than two
            classes are left.
    """
    target: dict[int, str] = {}
    for name, sources in merge:
        for source in sources:
            at = classes.position(source)
            if at in target:
                raise DataError(f"The class '{classes[at]}' is merged twice, into '{target[at]}' and '{name}'.")
            target[at] = name
    dropped = {classes.position(name) for name in drop}
    if both := dropped & set(target):
        raise DataError(f"The class '{classes[min(both)]}' is both merged and dropped. Choose one of the two.")
    groups: dict[str, list[str]] = {}
    for at, name in enumerate(classes):
        if at in dropped:
            continue
        new = target.get(at, name)
        if at not in target and new in target.values():
            raise DataError(
                f"There is a class '{new}' already. Name it among the merged ones too, e.g. {new}={new},…, or choose "
                "another name."
            )
        groups.setdefault(new, []).append(name)
    made = tuple(MappedClass(name=name, sources=tuple(sources)) for name, sources in groups.items())
    if order:
        new_classes = _class_list(made)
        first = list(dict.fromkeys(new_classes.position(name) for name in order))
        made = tuple(made[i] for i in (*first, *(i for i in range(len(made)) if i not in first)))
    return check_class_map(classes, made)


def check_class_map(classes: ClassList, class_map: ClassMap) -> ClassMap:
    """``class_map``, when it can be applied to ``classes``; empty where it changes nothing.

    Raises:
        DataError: it names classes that are not there (it was made for other data), uses one twice, or leaves fewer
            than two.
    """
    seen: set[int] = set()
    for mapped in class_map:
        for source in mapped.sources:
            at = classes.find(source)
            if at is None:
                raise DataError(
                    f"The class map names the class '{display_safe(source)}', which these data do not have "
                    f"({', '.join(classes)}). It was made for other data, or the classes are read in another way."
                )
            if at in seen:
                raise DataError(f"The class map uses the class '{classes[at]}' twice.")
            seen.add(at)
    if class_map:
        _class_list(class_map)
    unchanged = tuple((mapped.name, mapped.sources) for mapped in class_map) == tuple((n, (n,)) for n in classes)
    return () if unchanged else class_map


def _class_list(class_map: ClassMap) -> ClassList:
    if len(class_map) == 1:
        raise DataError(
            f"Only one class, '{class_map[0].name}', would be left; a network tells at least two apart. "
            "Merge or drop fewer classes."
        )
    return ClassList(tuple(mapped.name for mapped in class_map))


def compose(first: ClassMap, second: ClassMap) -> ClassMap:
    """The one map that does what ``first`` and then ``second``, made for its classes, do.

    Raises:
        DataError: ``second`` names a class that ``first`` does not make.
    """
    if not first or not second:
        return first or second
    made = ClassList(tuple(mapped.name for mapped in first))
    check_class_map(made, second)
    return tuple(
        MappedClass(
            name=mapped.name,
            sources=tuple(old for name in mapped.sources for old in first[made.position(name)].sources),
        )
        for mapped in second
    )


def apply_class_map(dataset: FaceDataset, class_map: ClassMap, *, partly: bool = False) -> FaceDataset:
    """The data set with its classes mapped; faces of dropped classes are left out, and counted in a warning.

    The fingerprint stays that of the source. Votes of merged classes are added up. With ``partly`` the map may name
    classes the data lack, as one made for the eight of the votes does for data with seven labels.

    Raises:
        DataError: the map does not fit the classes, or no face is left.
    """
    before = dataset.classes
    class_map = class_map if partly else check_class_map(before, class_map)
    if not class_map:
        return dataset
    classes = _class_list(class_map)
    new_label = np.full(len(before), -1, np.int64)
    for new, mapped in enumerate(class_map):
        new_label[[at for source in mapped.sources if (at := before.find(source)) is not None]] = new
    labels = new_label[dataset.labels]
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise DataError(f"{dataset.name}: the class map drops every face ({describe(class_map, before)}).")
    warnings = dataset.warnings
    if left_out := len(labels) - len(kept):
        gone = joined([f"'{name}'" for i, name in enumerate(before) if new_label[i] < 0])
        warnings = (*warnings, f"The class map leaves out {left_out:,} faces of {gone}.")
    votes, columns = _mapped_votes(dataset, class_map)
    return replace(
        dataset,
        images=dataset.images[kept],
        labels=labels[kept],
        split=dataset.split[kept],
        ids=dataset.ids[kept],
        groups=None if dataset.groups is None else dataset.groups[kept],
        votes=None if votes is None else votes[kept],
        vote_columns=columns,
        classes=classes,
        class_map=compose(dataset.class_map, class_map),
        warnings=warnings,
    )


def _mapped_votes(
    dataset: FaceDataset, class_map: ClassMap
) -> tuple[np.ndarray[Any, np.dtype[np.int64]] | None, tuple[str, ...]]:
    """A column for each new class, the sum of its sources' columns, then the columns that belong to no new class."""
    if dataset.votes is None:
        return None, dataset.vote_columns
    keys = [class_key(column) for column in dataset.vote_columns]
    used: set[int] = set()
    columns = []
    for mapped in class_map:
        mine = [i for i, key in enumerate(keys) if key in {class_key(source) for source in mapped.sources}]
        used.update(mine)
        columns.append(dataset.votes[:, mine].sum(axis=1))
    rest = [i for i in range(len(keys)) if i not in used]
    votes = np.column_stack([*columns, dataset.votes[:, rest]]).astype(np.int64)
    return votes, (*(mapped.name for mapped in class_map), *(dataset.vote_columns[i] for i in rest))


def describe(class_map: ClassMap, classes: ClassList | None = None) -> str:
    """The map for people: ``negative = angry, disgust; happy``; with the source's classes, the dropped ones too."""
    parts = [
        mapped.name if mapped.sources == (mapped.name,) else f"{mapped.name} = {', '.join(mapped.sources)}"
        for mapped in class_map
    ]
    if classes is not None:
        kept = {classes.find(source) for mapped in class_map for source in mapped.sources}
        if dropped := [name for i, name in enumerate(classes) if i not in kept]:
            parts.append(f"dropped: {', '.join(dropped)}")
    return "; ".join(parts)


class SavedClassMap:
    """The class map a person made for one data set, with its history."""

    def __init__(self, fingerprint: str, workspace: Workspace, truth: Truth = "labels") -> None:
        """For the content of that fingerprint, read by its labels or by people's votes (which may know more classes)."""
        self.fingerprint = fingerprint
        votes = "-votes" if truth == "votes" else ""
        self.path = workspace.classes / f"{fingerprint[:16]}{votes}.json"

    @classmethod
    def of(cls, dataset: FaceDataset, workspace: Workspace) -> SavedClassMap:
        """The one that belongs to a data set, mapped or not."""
        return cls(dataset.fingerprint, workspace, dataset.truth)

    def current(self) -> ClassMap:
        """The map that holds now; empty where there is none.

        Raises:
            DataError: the file is damaged, or belongs to other data.
        """
        history = self._history()
        return history[-1] if history else ()

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._history())

    def save(self, class_map: ClassMap, classes: ClassList) -> None:
        """Let ``class_map``, made for ``classes``, hold from now on; the empty one means the source's own classes.

        Raises:
            DataError: the map does not fit the classes, or the file is damaged.
            WorkspaceError: the file cannot be written.
        """
        class_map = check_class_map(classes, class_map)
        with self._locked():
            history = self._history()
            if class_map != (history[-1] if history else ()):
                self._write([*history, class_map])

    def undo(self) -> ClassMap:
        """Undo the last change; return the map that held before it, which holds again.

        Raises:
            DataError: the file is damaged.
            WorkspaceError: the file cannot be written.
        """
        with self._locked():
            history = self._history()[:-1]
            self._write(history)
        return history[-1] if history else ()

    def _history(self) -> list[ClassMap]:
        try:
            if self.path.stat().st_size > _LARGEST_FILE:
                raise DataError(f"{self.path} is too large to be a class map.")
            record = json.loads(self.path.read_bytes())
            fingerprint, acts = str(record["fingerprint"]), list(record["maps"])
            maps = [tuple(MappedClass.parse(dict(mapped)) for mapped in act) for act in acts[-_MOST_ACTS:]]
            for class_map in maps:
                if class_map:
                    ClassList(tuple(mapped.name for mapped in class_map))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"The class map in {self.path} cannot be read ({error.strerror}).") from error
        except (ValueError, KeyError, TypeError, RecursionError, ConfigError, DataError) as error:
            raise DataError(f"{self.path} is no class map, or is damaged. Repair or delete it.") from error
        if fingerprint != self.fingerprint:
            raise DataError(
                f"The class map in {self.path} belongs to other data (fingerprint {display_safe(fingerprint[:16])}…, these "
                f"have {self.fingerprint[:16]}…). Delete the file to start anew."
            )
        return maps

    def _write(self, history: list[ClassMap]) -> None:
        record = {
            "fingerprint": self.fingerprint,
            "time": time.time(),
            "maps": [[mapped.to_dict() for mapped in class_map] for class_map in history[-_MOST_ACTS:]],
        }
        with atomic_write(self.path) as file:
            file.write(json.dumps(record, ensure_ascii=False, indent=1).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        make_directory(self.path.parent)
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=10):
                yield
        except Timeout as error:
            raise WorkspaceError(f"{self.path} is locked by another program for more than 10 seconds.") from error
        except OSError as error:
            raise WorkspaceError(f"The class map cannot be saved in {self.path} ({error.strerror}).") from error
