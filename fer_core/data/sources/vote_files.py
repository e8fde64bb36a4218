"""Where people's votes on a source lie: FER+'s file, or a ``votes.csv`` of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_core.data.parsed import BrokenFile, Parsed
from fer_core.data.sources.containers.container import Container
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS, ORDER_FILE, VOTES_FILE, ferplus_votes, is_fer2013
from fer_core.data.sources.own_votes import OWN_VOTES_FILE, own_votes
from fer_core.errors import DataError

_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class VoteFile:
    """A file of votes that belongs, or may belong, to a source.

    Attributes:
        name: what to call it in messages.
        data: its content; empty for FER+'s, which is read when it is needed.
        ferplus: FER+'s file, and the one that says which row each image file is (or None); None for one's own votes.
        asked_for: the user named the file, so that a fault in it is an error; otherwise it is a warning.
    """

    name: str
    data: bytes
    ferplus: tuple[Path, Path | None] | None
    asked_for: bool

    def key(self) -> str:
        """Of the content, for the cache."""
        if self.ferplus is None:
            return f"{hashlib.sha256(self.data).hexdigest()} {self.asked_for}"
        votes, order = self.ferplus
        try:
            return f"{_sha256(votes)} {'none' if order is None else _sha256(order)} {self.asked_for}"
        except OSError as error:
            raise DataError(f"The votes in {votes.parent} cannot be read ({error.strerror or error}).") from error


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes int64 (N, K) on the faces of a source, and what they are for, K names."""

    counts: npt.NDArray[np.int64]
    columns: tuple[str, ...]


def find_vote_files(source: Path, votes: str | Path | None) -> list[VoteFile]:
    """The file of votes that the user named, or else those that lie in or beside the source, the likeliest first.

    Raises:
        DataError: the user named a file that is not there or cannot be read.
    """
    places = [source, source.parent] if source.is_dir() else [source.parent]
    if votes is not None:
        path = Path(votes).expanduser()
        if not path.is_file():
            raise DataError(f"There is no file of votes at '{votes}'. Give FER+'s {VOTES_FILE} or a {OWN_VOTES_FILE}.")
        return [_vote_file(path, [path.parent, *places], asked_for=True)]
    found = [_first(places, VOTES_FILE), _first([source.parent], OWN_VOTES_FILE)]
    return [_vote_file(path, [path.parent, *places], asked_for=False) for path in found if path and path != source]


def find_votes_inside(container: Container) -> str | None:
    """Name of the ``votes.csv`` at the top of a folder or zip, or in a folder around everything; None if there is none."""
    found = [name for name in container.files if name.rpartition("/")[2].lower() == OWN_VOTES_FILE]
    return min((name for name in found if name.count("/") <= 1), key=lambda name: name.count("/"), default=None)


def votes_inside(container: Container) -> list[VoteFile]:
    """The file that :func:`find_votes_inside` names, read."""
    name = find_votes_inside(container)
    if name is None:
        return []
    try:
        return [VoteFile(name, container.read(name, _MAX_BYTES), None, asked_for=False)]
    except BrokenFile:
        return [VoteFile(name, b"", None, asked_for=False)]  # refused in words when it is to be used


def is_vote_file(name: str) -> bool:
    """Whether the name of a file is one that votes have."""
    return name.rpartition("/")[2].lower() in (OWN_VOTES_FILE, VOTES_FILE, ORDER_FILE)


def attach(parsed: Parsed, files: Sequence[VoteFile]) -> tuple[Votes | None, list[str]]:
    """The votes of the first file that fits the source, and sentences for the user.

    Faces without a row of votes get zeros.

    Raises:
        DataError: the user asked for these votes, and they do not fit the source.
    """
    notes: list[str] = []
    for file in files:
        try:
            if file.ferplus is None:
                counts, columns, more = own_votes(parsed, file.data, file.name)
                return Votes(counts, columns), notes + more
            votes, order = file.ferplus
            if parsed.rows is None and order is None and not file.asked_for and not is_fer2013(parsed):
                continue  # votes of FER2013 that lie beside some other data set
            return Votes(ferplus_votes(parsed, votes, order), FERPLUS_COLUMNS), notes
        except DataError as error:
            if file.asked_for:
                raise
            what = "FER+ votes" if file.ferplus is not None else "votes"
            notes.append(f"The {what} beside the source are not used: {error}")
    return None, notes


def _vote_file(path: Path, places: Iterable[Path], asked_for: bool) -> VoteFile:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"The votes in {path} cannot be read ({error.strerror or error}).") from error
    if path.name == VOTES_FILE or data[:9].lower().lstrip(b"\xef\xbb\xbf").startswith(b"usage"):
        return VoteFile(path.name, b"", (path, _first(list(places), ORDER_FILE)), asked_for)
    if len(data) > _MAX_BYTES:
        raise DataError(f"{path.name} is larger than {_MAX_BYTES // 2**20} MB, as no file of votes is.")
    return VoteFile(path.name, data, None, asked_for)


def _first(places: Sequence[Path], name: str) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
