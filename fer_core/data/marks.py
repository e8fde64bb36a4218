"""Marks: a person's corrections of a data set. They never change the data, can be undone, and allow several writers.

The marks of a data set are a journal, ``marks/<first 16 digits of the fingerprint>.jsonl``, with one line per action (a
mark, or undoing one). Lines are appended under a lock, so that two browsers can mark at the same time. The current
marks follow from replaying the journal: the last action on a face wins.
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
    """A person's correction of one face.

    Attributes:
        face: the face's id in the data set.
        kind: ``wrong_label`` (``label`` is the correct one), ``not_a_face`` or ``ambiguous``.
        label: name of the correct class, or None.
        act: id of the action, for undoing.
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
            raise DataError("A mark 'wrong_label' needs the correct label; the other kinds take none.")
        if self.label is not None:
            check_class_name(self.label)


class Marks:
    """The journal of marks of one data set."""

    def __init__(self, fingerprint: str, classes: ClassList, workspace: Workspace) -> None:
        """Open the journal for a fingerprint; faces can be relabeled as one of ``classes``."""
        self.classes = classes
        self.path = workspace.marks / f"{fingerprint[:16]}.jsonl"

    def current(self) -> dict[str, Mark]:
        """Return the current marks by face id, oldest first.

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
        """Mark faces; a new mark replaces an earlier one.

        Raises:
            DataError: the kind or label is invalid.
            WorkspaceError: the file cannot be written.
        """
        name = self.classes[self.classes.position(label)] if label is not None else None
        now = time.time()
        marks = [Mark(face, kind, name, secrets.token_hex(6), now) for face in faces]
        self._append([{"act": m.act, "face": m.face, "kind": m.kind, "label": m.label, "time": m.time} for m in marks])
        return marks

    def undo(self, acts: Iterable[str]) -> None:
        """Undo actions; each face gets back the mark it had before."""
        self._append([{"undo": act, "time": time.time()} for act in acts])

    def to_csv(self) -> str:
        """Return the current marks as csv: face, kind, label."""
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
                    if file.read(1) != b"\n":  # a crash truncated the last line
                        file.write(b"\n")
                file.write("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode())
        except Timeout as error:
            raise WorkspaceError(f"{self.path} has been locked by another program for more than 10 seconds.") from error
        except OSError as error:
            raise WorkspaceError(f"Cannot save the marks in {self.path} ({error.strerror}).") from error

    def _journal(self) -> Iterable[tuple[Mark | None, str | None]]:
        try:
            if self.path.stat().st_size > _LONGEST_FILE:
                raise DataError(f"{self.path} is too large for a file of marks (at most {_LONGEST_FILE >> 20} MiB).")
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(f"Cannot read the marks in {self.path} ({error.strerror}).") from error
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
                    return  # truncated by a crash; this action was never confirmed
                raise DataError(
                    f"Line {number} of {self.path} is not a mark. Fix or delete that line; nothing was changed."
                ) from error


def marks_for(dataset: FaceDataset, workspace: Workspace) -> Marks:
    """Return the journal of marks for the content of a data set."""
    return Marks(dataset.fingerprint, dataset.classes, workspace)


def positions(dataset: FaceDataset, marks: dict[str, Mark], file: Path | None = None) -> dict[int, Mark]:
    """Return the marks by position in the data set, ignoring faces that a class map or the votes exclude.

    Raises:
        DataError: a mark names an unknown face.
    """
    order = {str(face): index for index, face in enumerate(dataset.ids)}
    missing = [face for face in marks if face not in order]
    if missing and dataset.truth == "labels" and not dataset.class_map:
        raise DataError(
            f"{len(missing)} of the marks{f' in {file}' if file else ''} name faces that are not in {dataset.name}, "
            f"e.g. '{missing[0][:80]}'. They belong to other data."
        )
    return {order[face]: mark for face, mark in marks.items() if face in order}


def relabeled(dataset: FaceDataset, marks: dict[int, Mark]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the labels corrected by the marks ``wrong_label``, int64 (N,); unchanged if the new class is dropped.

    Raises:
        DataError: a mark names a class that the data set, as it is read now, does not have.
    """
    labels = dataset.labels.copy()
    for index, mark in marks.items():
        if mark.label is not None and (label := corrected_label(dataset, mark)) is not None:
            labels[index] = label
    return labels


def corrected_label(dataset: FaceDataset, mark: Mark) -> int | None:
    """Return the label that a mark ``wrong_label`` assigns; None if the class map drops that class.

    If the mark names a class of the source, the class that the map derives from it counts.

    Raises:
        DataError: the data set, as it is read now, does not have the class.
    """
    name = mark.label or ""
    mapped = [i for i, one in enumerate(dataset.class_map) if name in one.sources]
    found = mapped[0] if mapped else dataset.classes.find(name)
    if found is None and not dataset.class_map:
        raise DataError(
            f"A mark relabels a face as '{name}', but the classes of {dataset.name} are now "
            f"{', '.join(dataset.classes)}. Use the class map with which the mark was made, or remove the mark."
        )
    return found
