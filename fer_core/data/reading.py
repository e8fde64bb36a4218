"""Reading: how to read a source (faces, classes, labels), as one value shared by pages, commands and runs."""

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
    """The settings of :func:`fer_core.data.load`."""

    def load(self, source: str | Path, *, workspace: Workspace, on_progress: Progress | None = None) -> FaceDataset:
        """Load ``source`` with these settings; see :func:`fer_core.data.load`."""
        return load(source, workspace=workspace, on_progress=on_progress, **self.options())

    def options(self) -> dict[str, Any]:
        """Return the explicitly set arguments of :func:`fer_core.data.load`."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def arguments(self) -> list[str]:
        """Return the command-line options with which a separate process reads the same faces."""
        options = ["--skip-unreadable"] if self.skip_unreadable else []
        options += ["--classes", self.classes, "--truth", self.truth, "--crop", self.crop]
        options += ["--votes", self.votes] if self.votes is not None else []
        if self.class_map:
            options += ["--class-map", json.dumps([mapped.to_dict() for mapped in self.class_map])]
        return options

    @classmethod
    def of(cls, values: dict[str, Any]) -> Reading:
        """Extract the reading from other settings, e.g. those of a run; defaults stay unset."""
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
    """Load ``source`` with a class map: the saved one if ``use_saved``, then the given changes.

    ``dataset.class_map`` is the resulting map.

    Raises:
        DataError: the source cannot be read, or a map does not fit it.
    """

    def changes(faces: FaceDataset) -> ClassMap:
        class_map = reading.class_map
        if use_saved:
            class_map = compose(class_map, SavedClassMap.of(faces, workspace).current())
        classes = ClassList(tuple(mapped.name for mapped in class_map)) if class_map else faces.classes
        return compose(class_map, make_class_map(classes, merge, drop))

    # A function, because two folders of one emotion are only accepted if a merge joins them.
    return load(source, workspace=workspace, on_progress=on_progress, **{**reading.options(), "class_map": changes})
