"""Class maps: rename, merge, drop and reorder the classes of a data set without changing the data.

A map is a tuple of :class:`fer_core.config.MappedClass`: the new classes in order, each with the source classes it
combines. Source classes that no entry names are dropped with their faces. The empty tuple maps nothing.

A saved map is stored in the workspace as ``classes/<first 16 digits of the fingerprint>.json``. It belongs to the
content of the source before any map, and every change can be undone.
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
"""Number of changes that can be undone."""


def parse_merge(text: str) -> tuple[str, tuple[str, ...]]:
    """Parse ``negative=angry,disgust`` into (``negative``, (``angry``, ``disgust``)).

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
    """Return the map that makes these changes to ``classes``; empty if nothing changes.

    Args:
        classes: classes of the source.
        merge: (new name, classes to merge); a single class is renamed. The new class takes the place of the first
            of its classes.
        drop: classes to exclude.
        order: names of new classes that come first, in this order; the others keep their order.

    Raises:
        DataError: a class is unknown, used twice, or both merged and dropped; a new name is already taken; fewer than
            two classes remain.
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
                f"A class '{new}' already exists. Include it in the merge, e.g. {new}={new},…, or choose another name."
            )
        groups.setdefault(new, []).append(name)
    made = tuple(MappedClass(name=name, sources=tuple(sources)) for name, sources in groups.items())
    if order:
        new_classes = _class_list(made)
        first = list(dict.fromkeys(new_classes.position(name) for name in order))
        made = tuple(made[i] for i in (*first, *(i for i in range(len(made)) if i not in first)))
    return check_class_map(classes, made)


def check_class_map(classes: ClassList, class_map: ClassMap) -> ClassMap:
    """Return ``class_map`` if it can be applied to ``classes``; empty if it changes nothing.

    Raises:
        DataError: it names unknown classes (it was made for other data), uses a class twice, or leaves fewer than
            two classes.
    """
    seen: set[int] = set()
    for mapped in class_map:
        for source in mapped.sources:
            at = classes.find(source)
            if at is None:
                raise DataError(
                    f"The class map names the class '{display_safe(source)}', which this data set does not have "
                    f"({', '.join(classes)}). The map was made for other data, or for classes read differently."
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
            f"Only one class, '{class_map[0].name}', would be left; a network needs at least two. "
            "Merge or drop fewer classes."
        )
    return ClassList(tuple(mapped.name for mapped in class_map))


def compose(first: ClassMap, second: ClassMap) -> ClassMap:
    """Return the map equivalent to applying ``first`` and then ``second``, a map of the new classes.

    Raises:
        DataError: ``second`` names a class that ``first`` does not produce.
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
    """Return the data set with mapped classes. Faces of dropped classes are excluded and counted in a warning.

    The fingerprint remains that of the source. Votes of merged classes are summed. With ``partly`` the map may name
    classes that the data set lacks, e.g. a map of FER+'s eight classes applied to seven labels.

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
        warnings = (*warnings, f"The class map excludes {left_out:,} faces of {gone}.")
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
    """Return a column per new class (the sum of its sources' columns), then the columns of no new class."""
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
    """Return the map as text: ``negative = angry, disgust; happy``; with ``classes``, list the dropped ones too."""
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
    """The saved class map of one data set, with its history."""

    def __init__(self, fingerprint: str, workspace: Workspace, truth: Truth = "labels") -> None:
        """Open the map for a fingerprint, separately for labels and for votes, which may have more classes."""
        self.fingerprint = fingerprint
        votes = "-votes" if truth == "votes" else ""
        self.path = workspace.classes / f"{fingerprint[:16]}{votes}.json"

    @classmethod
    def of(cls, dataset: FaceDataset, workspace: Workspace) -> SavedClassMap:
        """Return the saved map of a data set, mapped or not."""
        return cls(dataset.fingerprint, workspace, dataset.truth)

    def current(self) -> ClassMap:
        """Return the current map; empty if there is none.

        Raises:
            DataError: the file is damaged, or belongs to other data.
        """
        history = self._history()
        return history[-1] if history else ()

    @property
    def can_undo(self) -> bool:
        """Whether a change can be undone."""
        return bool(self._history())

    def save(self, class_map: ClassMap, classes: ClassList) -> None:
        """Save ``class_map``, made for ``classes``, as the current map; the empty map restores the source's classes.

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
        """Undo the last change and return the map that is current again.

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
                raise DataError(f"{self.path} is too large for a class map.")
            record = json.loads(self.path.read_bytes())
            fingerprint, acts = str(record["fingerprint"]), list(record["maps"])
            maps = [tuple(MappedClass.parse(dict(mapped)) for mapped in act) for act in acts[-_MOST_ACTS:]]
            for class_map in maps:
                if class_map:
                    ClassList(tuple(mapped.name for mapped in class_map))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"Cannot read the class map in {self.path} ({error.strerror}).") from error
        except (ValueError, KeyError, TypeError, RecursionError, ConfigError, DataError) as error:
            raise DataError(f"{self.path} is not a class map, or is damaged. Fix or delete it.") from error
        if fingerprint != self.fingerprint:
            raise DataError(
                f"The class map in {self.path} belongs to other data (fingerprint {display_safe(fingerprint[:16])}…, expected "
                f"{self.fingerprint[:16]}…). Delete the file to start over."
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
            raise WorkspaceError(f"{self.path} has been locked by another program for more than 10 seconds.") from error
        except OSError as error:
            raise WorkspaceError(f"Cannot save the class map in {self.path} ({error.strerror}).") from error
