"""Exports takes as one zip and imports such a zip, which may come from a stranger.

The zip has ``takes.json`` and the faces, so it is also a data set (``fer-lab data takes.zip``). Nothing of an imported zip is
unpacked: names are never used as paths, every face is decoded and written anew, and takes get new ids.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers import Container, Folder, open_zip
from fer_core.data.sources.layouts.takes import MANIFEST, Manifest, TakeRecord, face_file, read_manifest
from fer_core.errors import DataError, UnreadableImage, WorkspaceError
from fer_core.faces import FaceDetector
from fer_core.formatting import display_safe
from fer_core.images import decode_face, png
from fer_core.preprocess import FACE_SIZE, Faces
from fer_core.teach.deletion import delete_takes
from fer_core.teach.features import Progress, Stop
from fer_core.teach.files import judge_folder
from fer_core.teach.takes import MAX_TAKE_FACES, MAX_TAKES, TakeStore, check_classes
from fer_core.workspace import Workspace, make_directory

MAX_ZIP_BYTES: Final = 256 * 2**20
"""Largest zip that is imported; 200 takes of 200 faces have about 100 MB."""
_Takes = tuple[tuple[str, ...], list[tuple[TakeRecord, Faces]]]
"""Classes, and the takes with their faces."""

_FACE_BYTES: Final = 64 * 2**10  # a PNG of 48×48 gray pixels has at most 3 KB
_DATE: Final = (2000, 1, 1, 0, 0, 0)  # zips with the same takes have the same bytes


def export_zip(store: TakeStore) -> bytes:
    """Return the takes of a set as a zip, without what was deleted.

    Raises:
        DataError: there are no takes, or a file is damaged.
    """
    takes = store.takes()
    if not takes:
        raise DataError(f"'{store.name}' has no takes yet. Record one first.")
    records = tuple(
        TakeRecord(
            id=take.id, class_name=take.class_name, source=take.source, created=take.created,
            faces=tuple(range(take.faces)), left_out=dict(take.left_out),
        )
        for take in takes
    )  # fmt: skip
    manifest = Manifest(classes=store.classes, takes=records)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(MANIFEST, _DATE), manifest.model_dump_json(indent=2))
        for take in takes:
            for number, face in enumerate(store.faces(take)):
                archive.writestr(zipfile.ZipInfo(face_file(take.id, number), _DATE), png(face))
    return content.getvalue()


def import_zip(source: bytes | str | Path, workspace: Workspace, name: str) -> TakeStore:
    """Import takes from a zip that :func:`export_zip` made into a new set.

    Everything is read and checked before anything is written.

    Args:
        source: the zip, or its path.
        workspace: where the set is created.
        name: name of the set.

    Raises:
        ConfigError: the name cannot be used.
        DataError: a set of that name exists; the zip is damaged, too large, or refused, or has no takes.
        WorkspaceError: the disk is full; then nothing is kept.
    """
    store = _new_store(workspace, name)
    if isinstance(source, bytes):
        folder = make_directory(workspace.takes)
        try:
            with tempfile.NamedTemporaryFile(prefix=".import-", suffix=".zip", dir=folder) as file:
                file.write(source)
                file.flush()
                classes, takes = _read_zip(Path(file.name), "The zip")
        except OSError as error:
            raise WorkspaceError(f"The zip cannot be kept in {folder} ({error.strerror}). Free some space.") from error
    else:
        classes, takes = _read_zip(Path(source), display_safe(Path(source).name))
    store.add_all(classes, takes)
    return store


def import_source(
    source: Path,
    workspace: Workspace,
    name: str,
    detector: FaceDetector,
    *,
    replace: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> TakeStore:
    """Make a set of takes from a folder ``class/take/…``, an exported zip, or the unpacked folder of one.

    Args:
        source: the folder or zip.
        workspace: where the set is created.
        name: name of the set.
        detector: finds the faces of photos and clips.
        replace: replace the takes of this name; otherwise they are an error.
        progress: called with (done, total) pictures.
        stop: returns whether to stop; then nothing is changed.

    Raises:
        ConfigError: the name cannot be used.
        DataError: the source cannot be read, or there are takes of this name.
        TrainingError: ``stop`` returned true.
        WorkspaceError: the disk is full or cannot be written.
    """
    store = TakeStore(workspace, name, ()) if replace else _new_store(workspace, name)
    left_out: dict[str, int] = {}
    if source.is_file():
        classes, takes = _read_zip(source, display_safe(source.name))
    elif (source / MANIFEST).is_file():
        classes, takes = _read_takes(Folder(source), f"The folder {display_safe(source)}")
    else:
        found = judge_folder(source, detector, progress=progress, stop=stop)
        classes, takes, left_out = found.classes, found.takes, found.left_out()
    delete_takes(store)
    store.add_all(classes, takes, left_out)
    return store


def _new_store(workspace: Workspace, name: str) -> TakeStore:
    store = TakeStore(workspace, name, ())
    if store.exists:
        raise DataError(f"There are takes named '{name}' already. Choose another name, or delete or replace those.")
    return store


def _read_zip(path: Path, where: str) -> _Takes:
    """Read and check everything.

    Raises:
        DataError: the zip is damaged, too large, refused, or has no takes.
    """
    try:
        if path.stat().st_size > MAX_ZIP_BYTES:
            raise DataError(f"{where} is larger than the {MAX_ZIP_BYTES >> 20} MB allowed for takes.")
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                raise DataError(f"{where} is not a zip. Choose a zip that was exported on the Teach page.")
        with open_zip(path) as archive:
            return _read_takes(archive, where)
    except OSError as error:
        raise DataError(f"{display_safe(path)} cannot be read ({error.strerror or error}).") from error


def _read_takes(archive: Container, where: str) -> _Takes:
    manifest = read_manifest(archive, where)
    if manifest is None:
        raise DataError(
            f"{where} has no {MANIFEST}, so it was not exported on the Teach page. Unpack it, and import its folder."
        )
    classes, records = check_classes(manifest.classes, 0), manifest.visible()
    if not records:
        raise DataError(f"{where} contains no takes.")
    if len(records) > MAX_TAKES or any(len(record.faces) > MAX_TAKE_FACES for record in records):
        raise DataError(f"{where} has more than {MAX_TAKES} takes, or more than {MAX_TAKE_FACES} faces in one take.")
    return classes, [(record, _read_faces(archive, record, where)) for record in records]


def _read_faces(archive: Container, record: TakeRecord, where: str) -> Faces:
    faces = np.empty((len(record.faces), FACE_SIZE, FACE_SIZE), np.uint8)
    for place, number in enumerate(record.faces):
        name = face_file(record.id, number)
        if name not in archive.files:
            raise DataError(f"{where}: the face {name} is missing. Export the takes again.")
        try:
            faces[place] = decode_face(archive.read(name, _FACE_BYTES))
        except UnreadableFile as error:
            raise DataError(f"{where}: the face {name} {error}. Export the takes again.") from error
        except UnreadableImage as error:
            raise DataError(f"{where}: the face {name} {error.reason}. Export the takes again.") from error
    return faces
