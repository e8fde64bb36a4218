"""How a source is read: which faces, which classes, whose labels. One value that pages, commands and runs hand on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fer_core.classes import ClassList
from fer_core.config import ReadingConfig
from fer_core.data.class_map import ClassMap, SavedClassMap, compose, make_class_map
from fer_core.data.dataset import FaceDataset
from fer_core.data.parsed import Progress
from fer_core.data.source import load
from fer_core.workspace import Workspace


class Reading(ReadingConfig):
    """Settings of :func:`fer_core.data.load` that belong together."""

    def load(self, source: str | Path, *, workspace: Workspace, on_progress: Progress | None = None) -> FaceDataset:
        """The faces of ``source``, read in this way; see :func:`fer_core.data.load`."""
        return load(source, workspace=workspace, on_progress=on_progress, **self.options())

    def options(self) -> dict[str, Any]:
        """The arguments of :func:`fer_core.data.load` that were chosen."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def arguments(self) -> list[str]:
        """The options of a command that reads the same faces in a process of its own."""
        options = ["--skip-unreadable"] if self.skip_unreadable else []
        options += ["--classes", self.classes, "--truth", self.truth]
        options += ["--votes", self.votes] if self.votes is not None else []
        if self.class_map:
            options += ["--class-map", json.dumps([mapped.to_dict() for mapped in self.class_map])]
        return options

    @classmethod
    def of(cls, values: dict[str, Any]) -> Reading:
        """The reading among other settings, e.g. those of a training; defaults are left unsaid."""
        fields = cls.model_fields
        return cls.parse(
            {name: values[name] for name in fields if values.get(name, fields[name].default) != fields[name].default}
        )


def load_mapped(
    source: str | Path,
    reading: Reading,
    *,
    merge: Iterable[tuple[str, tuple[str, ...]]] = (),
    drop: Iterable[str] = (),
    use_saved: bool = False,
    workspace: Workspace,
    on_progress: Progress | None = None,
) -> FaceDataset:
    """The faces of ``source`` with a class map: first the saved one where ``use_saved``, then the given changes.

    ``dataset.class_map`` is the map that came of it.

    Raises:
        DataError: the source cannot be read, or a map does not fit it.
    """

    def changes(faces: FaceDataset) -> ClassMap:
        class_map = reading.class_map
        if use_saved:
            class_map = compose(class_map, SavedClassMap.of(faces, workspace).current())
        classes = ClassList(tuple(mapped.name for mapped in class_map)) if class_map else faces.classes
        return compose(class_map, make_class_map(classes, merge, drop))

    # a function, since the source may have two folders of one emotion that only a merge makes one class
    return load(source, workspace=workspace, on_progress=on_progress, **{**reading.options(), "class_map": changes})
