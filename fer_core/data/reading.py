"""How a source is read: which faces, which classes, whose labels. One value that pages, commands and runs hand on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fer_core.config import Config, MappedClass
from fer_core.data.class_map import SavedClassMap, apply_class_map, make_class_map
from fer_core.data.dataset import FaceDataset, Truth
from fer_core.data.parsed import Progress
from fer_core.data.source import load
from fer_core.workspace import Workspace


class Reading(Config):
    """Settings of :func:`fer_core.data.load` that belong together."""

    skip_broken: bool = Field(False, description="Leave out faces that cannot be read.")
    classes: Literal["auto", "emotions", "folders"] = Field(
        "auto",
        title="Classes",
        description="auto: the emotions present where every folder names one, else the folders' own names. emotions: folders that name no emotion are left out. folders: the folders' names as they are.",
    )
    truth: Truth = Field(
        "labels",
        title="Truth",
        description="labels: as the source says. votes: what the majority of people voted for; faces without a majority are left out.",
    )
    votes: str | None = Field(None, description="A file of people's votes, where it does not lie beside the source.")
    class_map: tuple[MappedClass, ...] = Field((), description="Renamed, merged, dropped and reordered classes.")

    def load(self, source: str | Path, *, workspace: Workspace, on_progress: Progress | None = None) -> FaceDataset:
        """The faces of ``source``, read in this way; see :func:`fer_core.data.load`."""
        options: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        return load(source, workspace=workspace, on_progress=on_progress, **options)

    def arguments(self) -> list[str]:
        """The options of a command that reads the same faces in a process of its own."""
        options = ["--skip-broken"] if self.skip_broken else []
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
    dataset = reading.load(source, workspace=workspace, on_progress=on_progress)
    if use_saved:
        dataset = apply_class_map(dataset, SavedClassMap.of(dataset, workspace).current())
    return apply_class_map(dataset, make_class_map(dataset.classes, merge, drop))
