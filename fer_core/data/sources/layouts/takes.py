"""Takes of own classes: ``takes.json`` beside one folder of faces for each take, as the Teach page keeps and exports them.

The classes and their order come from ``takes.json``; each take is a group, which no automatic split divides.
"""

from __future__ import annotations

import json
from typing import Annotated, Final

from pydantic import Field

from fer_core.config import Config
from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers.base import Container
from fer_core.data.sources.layouts.labeled import LabeledImages, Layout, Source, make_class_list
from fer_core.errors import ConfigError, DataError

MANIFEST: Final = "takes.json"
MANIFEST_BYTES: Final = 16 * 2**20
"""The largest manifest that is read."""
SCHEMA: Final = 1

Name = Annotated[str, Field(min_length=1, max_length=80)]
TakeId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Number = Annotated[int, Field(ge=0, lt=10**6)]


class TakeRecord(Config):
    """One take: faces of one class that were recorded or chosen together."""

    id: TakeId = Field(description="Name of its folder.")
    class_name: Name
    source: str = Field("", max_length=300, description="``camera``, or the name of a file or folder.")
    created: str = Field("", max_length=40, description="UTC, ISO 8601.")
    faces: tuple[Number, ...] = Field(description="Numbers of its files, in the order of the recording.")
    left_out: dict[str, int] = Field(default_factory=dict, description="Pictures without a usable face, by reason.")


class Deletion(Config):
    """Something deleted that can still be restored: a face of a take, a take, or a class with its takes."""

    time: float = Field(description="UTC seconds since 1970.")
    takes: tuple[str, ...] = Field((), description="The takes that were deleted together.")
    face: int = Field(-1, description="Number of the face's file, if one face of one take was deleted.")
    class_name: str = Field("", description="The class that was removed with its takes.")
    position: int = Field(0, ge=0, description="Where the class was.")


class Manifest(Config):
    """The content of ``takes.json``."""

    schema_version: int = SCHEMA
    classes: tuple[Name, ...] = ()
    takes: tuple[TakeRecord, ...] = ()
    left_out: dict[str, int] = Field(
        default_factory=dict, description="Pictures of takes without any usable face, by reason."
    )
    deletions: tuple[Deletion, ...] = Field((), description="Oldest first.")

    def visible(self) -> tuple[TakeRecord, ...]:
        """Return the takes of the classes, without deleted takes and faces."""
        gone = {(take, deletion.face) for deletion in self.deletions for take in deletion.takes}
        return tuple(
            take.model_copy(update={"faces": tuple(n for n in take.faces if (take.id, n) not in gone)})
            for take in self.takes
            if (take.id, -1) not in gone and take.class_name in self.classes
        )


def face_file(take: str, number: int) -> str:
    """Return the name of a face's file, relative to the manifest."""
    return f"{take}/{number:06}.png"


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        DataError: it is damaged, or from a newer version.
    """
    try:
        record = json.loads(data)
        version = record.get("schema_version") if isinstance(record, dict) else None
        if isinstance(version, int) and version > SCHEMA:
            raise DataError(f"{where}: {MANIFEST} was written by a newer FER Lab. Update FER Lab.")
        return Manifest.parse(data)
    except (ConfigError, ValueError, RecursionError) as error:
        raise DataError(f"{where}: {MANIFEST} is damaged, so its takes cannot be read. Export them again.") from error


def read_manifest(container: Container, where: str) -> Manifest | None:
    """Return the manifest of a folder or archive of takes; None if it has none.

    Raises:
        DataError: the manifest is damaged.
    """
    if MANIFEST not in container.files:
        return None
    try:
        return parse_manifest(container.read(MANIFEST, MANIFEST_BYTES), where)
    except UnreadableFile as error:
        raise DataError(f"{where}: {MANIFEST} {error}. Export the takes again.") from error


def _find(source: Source) -> LabeledImages | None:
    manifest = read_manifest(source.container, source.where)
    if manifest is None:
        return None
    takes = manifest.visible()
    classes = make_class_list(manifest.classes, source.where, "classes")
    known = set(source.images)
    files = {
        name: take
        for take in takes
        for number in take.faces
        if (name := face_file(take.id, number)) in known
    }  # fmt: skip
    if missing := sum(len(take.faces) for take in takes) - len(files):
        raise DataError(f"{source.where}: {missing:,} faces of {MANIFEST} are missing. Copy or export the takes again.")
    return LabeledImages(
        classes=classes,
        labels={name: classes.names.index(take.class_name) for name, take in files.items()},
        groups={name: take.id for name, take in files.items()},
        excluded=(),
        by_emotion=False,
        notes=(),
    )


LAYOUT: Final = Layout("takes", _find)
