"""The takes of own classes in a workspace: recorded faces, which can be deleted and restored.

``takes/<name>/takes.json`` lists classes and takes, ``takes/<name>/<take>/<number>.png`` are the faces. A take's folder is
complete before ``takes.json`` names it, and ``takes.json`` is replaced atomically under a lock, so that a full disk, a killed
process or a second window never leaves half a take. Nothing is written before the first take.
"""

from __future__ import annotations

import contextlib
import datetime
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList, check_class_name, class_key
from fer_core.data.sources.layouts.takes import (
    MANIFEST,
    Deletion,
    Manifest,
    TakeRecord,
    face_file,
    parse_manifest,
)
from fer_core.errors import ConfigError, DataError, WorkspaceError
from fer_core.formatting import display_safe
from fer_core.preprocess import FACE_SIZE, Faces, as_faces
from fer_core.store import Store
from fer_core.teach.duplicates import copied_takes
from fer_core.teach.judge import Reason
from fer_core.teach.result import CopiedTake
from fer_core.workspace import Workspace, make_directory, write_advice, write_json

DEFAULT_CLASSES: Final = ("smile", "surprise", "neutral")
"""The classes of a new set of takes."""
MIN_TAUGHT, MAX_TAUGHT = 2, 8
"""Number of own classes."""
MAX_TAKE_FACES: Final = 200
"""Largest number of faces of a take; neighboring frames differ little, and a training with thousands would not end in seconds."""
MAX_TAKES: Final = 200
"""Largest number of takes of a set."""
UNDO_SECONDS: Final = 600.0
"""How long a deleted take or face can be restored; the next change after that erases it from the disk."""

_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{device}{i}" for device in ("com", "lpt") for i in range(10)))
)
_FORBIDDEN: Final = frozenset('/\\:*?"<>|')
_LONGEST_NAME: Final = 60
_LOCK_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Take:
    """Faces of one class that were recorded or chosen together.

    Attributes:
        class_name: the class.
        id: its id, unique in the set.
        faces: number of faces.
        source: ``camera``, or the name of a file or folder.
        created: UTC, ISO 8601.
        left_out: number of pictures without a usable face, by reason.
    """

    class_name: str
    id: str
    faces: int
    source: str = "camera"
    created: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


def check_name(name: str) -> str:
    """Return ``name`` if it can name a taught model: 1 to 60 characters that every file system accepts, no shipped model.

    Raises:
        ConfigError: it cannot.
    """
    from fer_core.inference import shipped_models

    text = display_safe(name[:_LONGEST_NAME])
    problem = (
        "it is empty" if not name.strip()
        else f"it has {len(name)} characters, at most {_LONGEST_NAME} are possible" if len(name) > _LONGEST_NAME
        else "it contains characters that a file name cannot have" if set(name) & _FORBIDDEN or display_safe(name) != name
        else "it begins with a period or a dash" if name[0] in ".-"
        else "it begins or ends with a space or a period" if name != name.strip() or name.endswith(".")
        else "the operating system reserves it" if name.partition(".")[0].casefold() in _RESERVED
        else "a shipped model has it" if name in shipped_models()
        else ""
    )  # fmt: skip
    if problem:
        raise ConfigError(f"'{text}' cannot be the name of a taught model: {problem}. Choose another name.")
    return name


def check_classes(names: Sequence[str], at_least: int = MIN_TAUGHT) -> tuple[str, ...]:
    """Return the names of own classes without outer spaces, if there are 2 to 8 different ones.

    Args:
        names: the names.
        at_least: lowest number of classes; lower than 2 while they are being entered.

    Raises:
        DataError: too few or too many, an invalid name, or two names of the same class, such as ``smile`` and ``Smile``.
    """
    names = tuple(name.strip() for name in names)
    for name in names:
        check_class_name(name)
    if not at_least <= len(names) <= MAX_TAUGHT:
        given = "One class was" if len(names) == 1 else f"{len(names)} classes were"
        raise DataError(f"{given} given; {MIN_TAUGHT} to {MAX_TAUGHT} can be taught.")
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(class_key(name), name)) != name or names.count(name) > 1:
            same = "the same name" if other == name else "names of the same class"
            raise DataError(f"'{other}' and '{name}' are {same}. Give each class its own name.")
    if len(names) >= MIN_TAUGHT:
        ClassList(names)
    return names


class TakeStore:
    """One named set of takes in a workspace. Safe for several threads, windows and processes.

    Classes given before the first take exist in this object only.
    """

    def __init__(self, workspace: Workspace, name: str, classes: Sequence[str] = DEFAULT_CLASSES) -> None:
        """Open a set; nothing is read or written yet.

        Args:
            workspace: where takes are.
            name: name of the set and of the model it teaches.
            classes: the classes of a set without takes.

        Raises:
            ConfigError: the name cannot be used.
            DataError: the classes cannot be used.
        """
        self.workspace = workspace
        self.name = check_name(name)
        self.path = workspace.takes / name
        self._lock_path = workspace.takes / f".{name}.lock"
        self._new_classes = check_classes(classes, 0)

    @property
    def exists(self) -> bool:
        """Whether anything was recorded."""
        return (self.path / MANIFEST).is_file()

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the model's outputs."""
        return self._read().classes

    def takes(self, class_name: str | None = None) -> tuple[Take, ...]:
        """Return the takes of a class, or of all classes in their order; oldest first."""
        manifest = self._read()
        visible = manifest.visible()
        wanted = manifest.classes if class_name is None else (class_name,)
        return tuple(_take(record) for name in wanted for record in visible if record.class_name == name)

    def faces(self, take: Take | str) -> Faces:
        """Return the faces of a take, uint8 (N, 48, 48).

        Raises:
            DataError: the take does not exist, or a file is missing or damaged.
        """
        record = self._record(self._read(), take)
        return self._load(record)

    def _load(self, record: TakeRecord) -> Faces:
        from fer_core.images import decode_face

        faces = np.empty((len(record.faces), FACE_SIZE, FACE_SIZE), np.uint8)
        for place, number in enumerate(record.faces):
            path = self.path / face_file(record.id, number)
            try:
                faces[place] = decode_face(path.read_bytes())
            except Exception as error:
                raise DataError(f"{path} is missing or damaged. Delete the take of '{record.class_name}'.") from error
        return faces

    def add(
        self,
        class_name: str,
        faces: npt.NDArray[np.uint8],
        left_out: Mapping[str, int] | None = None,
        source: str = "camera",
    ) -> Take:
        """Keep a take; of more than :data:`MAX_TAKE_FACES` faces, that many are kept, evenly spread.

        A class that the set does not have is added.

        Args:
            class_name: the class.
            faces: uint8 (N, 48, 48), N ≥ 1.
            left_out: number of pictures without a usable face, by :data:`~fer_core.teach.judge.Reason`.
            source: where the faces come from.

        Raises:
            DataError: there are no faces, too many takes, or the class cannot be used.
            WorkspaceError: the disk is full or cannot be written; then nothing is kept of the take.
        """
        record, array = new_take(class_name, faces, left_out, source)
        with self._changing() as manifest:
            self._append(manifest, manifest.classes, [(record, array)])
        return _take(record)

    def left_out(self) -> dict[str, int]:
        """Return the number of pictures without a usable face by reason, the most frequent first."""
        manifest = self._read()
        counts = Counter(manifest.left_out)
        for record in manifest.visible():
            counts.update(record.left_out)
        return dict(counts.most_common())

    def add_all(
        self,
        classes: Sequence[str],
        takes: Sequence[tuple[TakeRecord, Faces]],
        left_out: Mapping[str, int] | None = None,
    ) -> tuple[Take, ...]:
        """Add takes under new ids, all or none.

        Args:
            classes: the classes of a set without takes; other sets get those they lack at the end.
            takes: their records with their faces.
            left_out: pictures of further takes, which had no usable face, by reason.

        Raises:
            DataError: a class cannot be used, or there are too many takes.
            WorkspaceError: the disk is full or cannot be written; then nothing is kept.
        """
        new = [
            (
                record.model_copy(update={"id": secrets.token_hex(6), "faces": tuple(range(len(faces)))}),
                as_faces(faces),
            )
            for record, faces in takes
        ]
        with self._changing() as manifest:
            own = manifest.classes if manifest.takes or not classes else ()
            counts = Counter(manifest.left_out) + Counter(left_out or {})
            self._append(manifest.model_copy(update={"left_out": dict(counts)}), (*own, *classes), new)
        return tuple(_take(record) for record, _ in new)

    def _append(self, manifest: Manifest, classes: tuple[str, ...], takes: Sequence[tuple[TakeRecord, Faces]]) -> None:
        """Write the faces of new takes, then the manifest that names them; on an error, remove the faces again."""
        classes = check_classes(tuple(dict.fromkeys((*classes, *(record.class_name for record, _ in takes)))), 0)
        if len(manifest.takes) + len(takes) > MAX_TAKES:
            raise DataError(f"'{self.name}' can have at most {MAX_TAKES} takes. Delete some first.")
        records = tuple(record for record, _ in takes)
        try:
            for record, faces in takes:
                self._write_faces(record.id, faces)
            self._write(manifest.model_copy(update={"classes": classes, "takes": (*manifest.takes, *records)}))
        except BaseException:
            for record in records:
                shutil.rmtree(self.path / record.id, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.path.rmdir()  # only if nothing else is in it
            raise

    def _write_faces(self, take: str, faces: Faces) -> None:
        """Write the files of a take under a temporary name, then rename their folder."""
        from fer_core.images import png

        unfinished = make_directory(self.path) / f".{take}.part"
        try:
            unfinished.mkdir()
            for number, face in enumerate(faces):
                (unfinished / Path(face_file(take, number)).name).write_bytes(png(face))
            unfinished.rename(self.path / take)
        except OSError as error:
            advice = write_advice(error) or "Choose another folder with FER_HOME."
            raise WorkspaceError(
                f"The take cannot be saved in {self.path} ({error.strerror or error}), so nothing of it was kept. {advice}"
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def set_classes(self, names: Sequence[str]) -> None:
        """Replace all class names; classes with takes must keep theirs, see :meth:`rename_class`.

        Raises:
            DataError: the names cannot be used, or a class with takes is missing.
        """
        wanted = check_classes(names, 0)
        with self._changing(create=False) as manifest:
            if lost := {take.class_name for take in manifest.visible()} - set(wanted):
                raise DataError(f"The class '{min(lost)}' has takes. Rename it, or remove it with its takes.")
            self._write(manifest.model_copy(update={"classes": wanted}))

    def add_class(self, name: str) -> None:
        """Add a class at the end.

        Raises:
            DataError: the name cannot be used, or there are eight classes.
        """
        with self._changing(create=False) as manifest:
            self._write(manifest.model_copy(update={"classes": check_classes((*manifest.classes, name), 0)}))

    def rename_class(self, old: str, new: str) -> None:
        """Rename a class; its takes stay with it.

        Raises:
            DataError: there is no such class, or the new name cannot be used.
        """
        with self._changing(create=False) as manifest:
            self._check_class(manifest, old)
            classes = check_classes([new if name == old else name for name in manifest.classes], 0)
            name = new.strip()
            takes = tuple(
                take.model_copy(update={"class_name": name}) if take.class_name == old else take
                for take in manifest.takes
            )
            self._write(manifest.model_copy(update={"classes": classes, "takes": takes}))

    def remove_class(self, name: str) -> None:
        """Remove a class with its takes; :meth:`undo` restores both.

        Raises:
            DataError: there is no such class.
        """
        with self._changing(create=False) as manifest:
            self._check_class(manifest, name)
            position = manifest.classes.index(name)
            takes = tuple(take.id for take in manifest.visible() if take.class_name == name)
            deletion = Deletion(time=time.time(), takes=takes, class_name=name, position=position)
            self._write(
                manifest.model_copy(
                    update={
                        "classes": tuple(other for other in manifest.classes if other != name),
                        "deletions": (*manifest.deletions, deletion),
                    }
                )
            )

    def delete_take(self, take: Take | str) -> None:
        """Delete a take; :meth:`undo` restores it.

        Raises:
            DataError: there is no such take.
        """
        with self._changing(create=False) as manifest:
            record = self._record(manifest, take)
            self._delete(manifest, Deletion(time=time.time(), takes=(record.id,)))

    def delete_face(self, take: Take | str, index: int) -> None:
        """Delete one face of a take; :meth:`undo` restores it. The last face takes the take with it.

        Args:
            take: the take.
            index: position in :meth:`faces`.

        Raises:
            DataError: there is no such face.
        """
        with self._changing(create=False) as manifest:
            record = self._record(manifest, take)
            if not 0 <= index < len(record.faces):
                raise DataError(f"The take has {len(record.faces)} faces; there is no face {index}. Reload the page.")
            number = -1 if len(record.faces) == 1 else record.faces[index]
            self._delete(manifest, Deletion(time=time.time(), takes=(record.id,), face=number))

    def _delete(self, manifest: Manifest, deletion: Deletion) -> None:
        self._write(manifest.model_copy(update={"deletions": (*manifest.deletions, deletion)}))

    def near_duplicates(self) -> tuple[CopiedTake, ...]:
        """Return pairs of takes of different classes with the same or almost the same faces."""
        takes = self.takes()
        return copied_takes([(take.id, take.class_name) for take in takes], [self.faces(take) for take in takes])

    @property
    def can_undo(self) -> bool:
        """Whether something deleted can be restored."""
        return bool(_recent(self._read()))

    def undo(self) -> str | None:
        """Restore what was deleted last; return a sentence about it, or None if nothing can be restored."""
        if not self.exists:
            return None
        with self._changing() as manifest:
            recent = _recent(manifest)
            if not recent:
                return None
            last = recent[-1]
            classes = manifest.classes
            if last.class_name and last.class_name not in classes:
                before, after = classes[: last.position], classes[last.position :]
                classes = check_classes((*before, last.class_name, *after), 0)
            deletions = tuple(one for one in manifest.deletions if one is not last)
            self._write(manifest.model_copy(update={"classes": classes, "deletions": deletions}))
        if last.class_name:
            return f"Restored the class '{last.class_name}' with its takes."
        return "Restored the take." if last.face < 0 else "Restored the face."

    def _check_class(self, manifest: Manifest, name: str) -> None:
        if name not in manifest.classes:
            raise DataError(f"There is no class '{display_safe(name)}' in '{self.name}'. Reload the page.")

    def _record(self, manifest: Manifest, take: Take | str) -> TakeRecord:
        wanted = take if isinstance(take, str) else take.id
        record = next((one for one in manifest.visible() if one.id == wanted), None)
        if record is None:
            raise DataError(f"The take '{display_safe(wanted)}' was deleted. Reload the page.")
        return record

    def _read(self) -> Manifest:
        try:
            return parse_manifest((self.path / MANIFEST).read_bytes(), display_safe(self.path))
        except (FileNotFoundError, NotADirectoryError):
            return Manifest(classes=self._new_classes)
        except OSError as error:
            raise WorkspaceError(f"{self.path / MANIFEST} cannot be read ({error.strerror}).") from error

    @contextlib.contextmanager
    def _changing(self, create: bool = True) -> Iterator[Manifest]:
        """Hold the lock and give the current manifest, without what was deleted long ago.

        Args:
            create: the change may be the first one written; otherwise, without takes, it stays in memory.
        """
        if not create and not self.exists:
            yield self._read()
            return
        with self.locked():
            yield self._purged(self._read())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the set's lock while the block runs.

        Raises:
            WorkspaceError: another program holds it for long, or the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        make_directory(self.workspace.takes)
        lock = FileLock(self._lock_path, timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            raise WorkspaceError(f"Another window is changing '{self.name}'. Try again in a moment.") from error
        except OSError as error:
            advice = write_advice(error) or "Choose another folder with FER_HOME."
            raise WorkspaceError(
                f"{self._lock_path} cannot be written ({error.strerror or error}). {advice}"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, manifest: Manifest) -> None:
        """Replace the manifest; without any take so far, only this object learns of it."""
        if not manifest.takes and not self.exists:
            self._new_classes = manifest.classes
            return
        write_json(self.path / MANIFEST, manifest.to_dict())

    def _purged(self, manifest: Manifest) -> Manifest:
        """Erase what was deleted longer than :data:`UNDO_SECONDS` ago, and return the manifest without it."""
        recent = _recent(manifest)
        expired = [one for one in manifest.deletions if one not in recent]
        if not expired:
            return manifest
        faces = {(take, one.face) for one in expired for take in one.takes}
        takes = {take for take, face in faces if face < 0}
        left = tuple(
            take.model_copy(update={"faces": tuple(n for n in take.faces if (take.id, n) not in faces)})
            for take in manifest.takes
            if take.id not in takes
        )
        purged = manifest.model_copy(update={"takes": left, "deletions": recent})
        write_json(self.path / MANIFEST, purged.to_dict())
        for take in {take.id for take in manifest.takes} - {take.id for take in left}:
            shutil.rmtree(self.path / take, ignore_errors=True)
        for take, number in faces:
            if number >= 0:
                with contextlib.suppress(OSError):
                    (self.path / face_file(take, number)).unlink()
        Store(self.workspace).clear("take-features")
        return purged


def new_take(
    class_name: str, faces: npt.NDArray[np.uint8], left_out: Mapping[str, int] | None, source: str
) -> tuple[TakeRecord, Faces]:
    """Return the record of a new take and the faces that are kept.

    Raises:
        DataError: there are no faces, or the class cannot be used.
    """
    array, name = as_faces(faces), check_class_name(class_name.strip())
    counts = {reason: n for reason, n in (left_out or {}).items() if n}
    if not len(array):
        raise DataError(f"The take of '{name}' has no face that can be used{_why(counts)}. Record it again.")
    if len(array) > MAX_TAKE_FACES:
        over: Reason = "over the limit"
        counts[over] = counts.get(over, 0) + len(array) - MAX_TAKE_FACES
        array = array[np.linspace(0, len(array) - 1, MAX_TAKE_FACES).round().astype(int)]
    record = TakeRecord(
        id=secrets.token_hex(6),
        class_name=name,
        source=display_safe(source)[:300],
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        faces=tuple(range(len(array))),
        left_out=counts,
    )
    return record, array


def _recent(manifest: Manifest) -> tuple[Deletion, ...]:
    now = time.time()
    return tuple(one for one in manifest.deletions if abs(now - one.time) < UNDO_SECONDS)


def _take(record: TakeRecord) -> Take:
    return Take(
        record.class_name, record.id, len(record.faces), record.source, record.created, dict(record.left_out)
    )  # fmt: skip


def _why(left_out: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{reason}: {n:,}' for reason, n in left_out.items())})" if left_out else ""


def list_stores(workspace: Workspace) -> tuple[str, ...]:
    """Return the names of the sets of takes, sorted."""
    try:
        return tuple(sorted(path.parent.name for path in workspace.takes.glob(f"*/{MANIFEST}")))
    except OSError:
        return ()
