"""A person's corrections of a data set: beside the data, never in it; undoable; safe for several writers.

The marks of a data set are a journal, ``marks/<first 16 of the fingerprint>.jsonl``: one line for each act (a mark, or
the undoing of one). Lines are appended under a lock, so two browsers marking at once both keep theirs. What holds now
follows from reading the journal from the top: the last act on a face wins.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from fer_core.classes import ClassList, check_class_name
from fer_core.data.dataset import FaceDataset
from fer_core.errors import DataError, WorkspaceError
from fer_core.formatting import csv_cell
from fer_core.workspace import Workspace, make_directory

MarkKind = Literal["wrong_label", "not_a_face", "ambiguous"]
KINDS: tuple[MarkKind, ...] = get_args(MarkKind)
_LONGEST_FILE = 64 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person said about one face.

    Attributes:
        face: the face's id in the data set.
        kind: ``wrong_label`` (then ``label`` is the right one), ``not_a_face`` or ``ambiguous``.
        label: name of the right class, or None.
        act: id of the act, for undoing.
        time: UTC seconds since 1970.
    """

    face: str
    kind: MarkKind
    label: str | None
    act: str
    time: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"'{self.kind}' is not a kind of mark; choose one of {', '.join(KINDS)}.")
        if (self.kind == "wrong_label") != (self.label is not None):
            raise DataError("A mark 'wrong_label' needs the right label, and only that kind takes one.")
        if self.label is not None:
            check_class_name(self.label)


class Marks:
    """The journal of one data set."""

    def __init__(self, fingerprint: str, classes: ClassList, workspace: Workspace) -> None:
        """For the content of that fingerprint, whose faces can be relabelled as one of ``classes``."""
        self.classes = classes
        self.path = workspace.marks / f"{fingerprint[:16]}.jsonl"

    def current(self) -> dict[str, Mark]:
        """The marks that hold now, by face id, oldest first.

        Raises:
            DataError: the file is not a journal of marks.
        """
        acts: dict[str, Mark] = {}
        for mark, undone in self._journal():
            if undone is not None:
                acts.pop(undone, None)
            elif mark is not None:
                acts[mark.act] = mark
        current: dict[str, Mark] = {}
        for mark in acts.values():
            current.pop(mark.face, None)
            current[mark.face] = mark
        return current

    def add(self, faces: Iterable[str], kind: MarkKind, label: str | None = None) -> list[Mark]:
        """Mark faces; a face marked before gets the new mark.

        Raises:
            DataError: the kind or label makes no sense.
            WorkspaceError: the file cannot be written.
        """
        name = self.classes[self.classes.position(label)] if label is not None else None
        now = time.time()
        marks = [Mark(face, kind, name, secrets.token_hex(6), now) for face in faces]
        self._append([{"act": m.act, "face": m.face, "kind": m.kind, "label": m.label, "time": m.time} for m in marks])
        return marks

    def undo(self, acts: Iterable[str]) -> None:
        """Take acts back; the mark a face had before them holds again."""
        self._append([{"undo": act, "time": time.time()} for act in acts])

    def to_csv(self) -> str:
        """The marks that hold now, as csv: face, kind, label."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["face", "kind", "label"])
        for mark in self.current().values():
            writer.writerow([csv_cell(mark.face), mark.kind, csv_cell(mark.label or "")])
        return text.getvalue()

    def _append(self, records: list[dict[str, object]]) -> None:
        from filelock import FileLock, Timeout

        if not records:
            return
        make_directory(self.path.parent)
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=10), self.path.open("ab+") as file:
                file.seek(0, 2)
                if file.tell():
                    file.seek(-1, 2)
                    if file.read(1) != b"\n":  # a line was cut short by a crash
                        file.write(b"\n")
                file.write("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode())
        except Timeout as error:
            raise WorkspaceError(f"{self.path} is locked by another program for more than 10 seconds.") from error
        except OSError as error:
            raise WorkspaceError(f"The marks cannot be saved in {self.path} ({error.strerror}).") from error

    def _journal(self) -> Iterable[tuple[Mark | None, str | None]]:
        try:
            if self.path.stat().st_size > _LONGEST_FILE:
                raise DataError(f"{self.path} is too large to be a file of marks ({_LONGEST_FILE >> 20} MiB at most).")
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"The marks in {self.path} cannot be read ({error.strerror}).") from error
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                if "undo" in record:
                    yield None, str(record["undo"])
                    continue
                yield (
                    Mark(
                        str(record["face"]), record["kind"], record["label"], str(record["act"]), float(record["time"])
                    ),
                    None,
                )
            except (ValueError, KeyError, TypeError, RecursionError, DataError) as error:
                if number == len(lines):
                    return  # cut short by a crash; the act was never confirmed
                raise DataError(
                    f"Line {number} of {self.path} is not a mark. Repair or remove that line; nothing was changed."
                ) from error


def marks_for(dataset: FaceDataset, workspace: Workspace) -> Marks:
    """The journal that belongs to a data set's content."""
    return Marks(dataset.fingerprint, dataset.classes, workspace)


def positions(dataset: FaceDataset, marks: dict[str, Mark], file: Path | None = None) -> dict[int, Mark]:
    """Marks by position in the data set. Marks on faces that a class map or the votes leave out are passed over.

    Raises:
        DataError: a mark names a face that is not there.
    """
    order = {str(face): index for index, face in enumerate(dataset.ids)}
    missing = [face for face in marks if face not in order]
    if missing and dataset.truth == "labels" and not dataset.class_map:
        raise DataError(
            f"{len(missing)} of the marks{f' in {file}' if file else ''} name faces that are not in {dataset.name}, "
            f"e.g. '{missing[0][:80]}'. They belong to other data."
        )
    return {order[face]: mark for face, mark in marks.items() if face in order}


def relabelled(dataset: FaceDataset, marks: dict[int, Mark]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The labels corrected by the marks ``wrong_label``, int64 (N,); where the class is dropped, the label stays.

    Raises:
        DataError: a mark names a class that the data, as they are read, do not have.
    """
    labels = dataset.labels.copy()
    for index, mark in marks.items():
        if mark.label is not None and (label := corrected_label(dataset, mark)) is not None:
            labels[index] = label
    return labels


def corrected_label(dataset: FaceDataset, mark: Mark) -> int | None:
    """The class that a mark ``wrong_label`` names, as a label; None where the data set's class map drops it.

    A mark may name a class of the source: then the class that the class map makes of it counts.

    Raises:
        DataError: the data, as they are read, do not have the class.
    """
    name = mark.label or ""
    mapped = [i for i, one in enumerate(dataset.class_map) if name in one.sources]
    found = mapped[0] if mapped else dataset.classes.find(name)
    if found is None and not dataset.class_map:
        raise DataError(
            f"A mark relabels a face as '{name}', but {dataset.name}, as it is read now, has only "
            f"{', '.join(dataset.classes)}. Use the classes the mark was made with (class map), or remove that mark."
        )
    return found
