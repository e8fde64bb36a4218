"""Finds the votes that belong to a source: FER+'s file or a ``votes.csv``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_core.data.parsed import Parsed, UnreadableFile
from fer_core.data.sources.containers import Container
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS, ORDER_FILE, VOTES_FILE, ferplus_votes, is_fer2013
from fer_core.data.sources.own_votes import OWN_VOTES_FILE, own_votes
from fer_core.errors import DataError

_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class VoteFile:
    """A file of votes that belongs, or may belong, to a source.

    Attributes:
        name: name in messages.
        data: its content; empty for FER+'s file, which is read when needed.
        ferplus: FER+'s file, and the file with the row of each image (or None); None for own votes.
        explicit: whether the user named the file: a fault in it is then an error, else a warning.
    """

    name: str
    data: bytes
    ferplus: tuple[Path, Path | None] | None
    explicit: bool

    def key(self) -> str:
        """Return the cache key of the content."""
        if self.ferplus is None:
            return f"{hashlib.sha256(self.data).hexdigest()} {self.explicit}"
        votes, order = self.ferplus
        try:
            return f"{_sha256(votes)} {'none' if order is None else _sha256(order)} {self.explicit}"
        except OSError as error:
            raise DataError(f"Cannot read the votes in {votes.parent} ({error.strerror or error}).") from error


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes on the faces of a source, int64 (N, K), and the names of the K choices."""

    counts: npt.NDArray[np.int64]
    columns: tuple[str, ...]


def find_vote_files(source: Path, votes: str | Path | None) -> list[VoteFile]:
    """Return the vote file that the user named, or those found in or beside the source, the most specific first.

    Raises:
        DataError: the file that the user named is missing or unreadable.
    """
    places = [source, source.parent] if source.is_dir() else [source.parent]
    if votes is not None:
        path = Path(votes).expanduser()
        if not path.is_file():
            raise DataError(f"No file of votes at '{votes}'. Give FER+'s {VOTES_FILE} or a {OWN_VOTES_FILE}.")
        return [_vote_file(path, [path.parent, *places], explicit=True)]
    found = [_first(places, VOTES_FILE), _first([source.parent], OWN_VOTES_FILE)]
    return [_vote_file(path, [path.parent, *places], explicit=False) for path in found if path and path != source]


def find_votes_inside(container: Container) -> str | None:
    """Return the name of the ``votes.csv`` at the top of a container or one folder below; None if there is none."""
    found = [name for name in container.files if name.rpartition("/")[2].lower() == OWN_VOTES_FILE]
    return min((name for name in found if name.count("/") <= 1), key=lambda name: name.count("/"), default=None)


def votes_inside(container: Container) -> list[VoteFile]:
    """Read the file that :func:`find_votes_inside` finds."""
    name = find_votes_inside(container)
    if name is None:
        return []
    try:
        return [VoteFile(name, container.read(name, _MAX_BYTES), None, explicit=False)]
    except UnreadableFile:
        return [VoteFile(name, b"", None, explicit=False)]  # reported when it is used


def is_vote_file(name: str) -> bool:
    """Whether a file has the name of a vote file."""
    return name.rpartition("/")[2].lower() in (OWN_VOTES_FILE, VOTES_FILE, ORDER_FILE)


def attach_votes(parsed: Parsed, files: Sequence[VoteFile]) -> tuple[Votes | None, list[str]]:
    """Return the votes of the first file that fits the source, and warnings.

    Faces without a row get zeros.

    Raises:
        DataError: the user named the file, and it does not fit the source.
    """
    notes: list[str] = []
    for file in files:
        try:
            if file.ferplus is None:
                counts, columns, more = own_votes(parsed, file.data, file.name)
                return Votes(counts, columns), notes + more
            votes, order = file.ferplus
            if parsed.rows is None and order is None and not file.explicit and not is_fer2013(parsed):
                continue  # FER2013's votes beside another data set
            return Votes(ferplus_votes(parsed, votes, order), FERPLUS_COLUMNS), notes
        except DataError as error:
            if file.explicit:
                raise
            what = "FER+ votes" if file.ferplus is not None else "votes"
            notes.append(f"The {what} beside the source were not used: {error}")
    return None, notes


def _vote_file(path: Path, places: Iterable[Path], explicit: bool) -> VoteFile:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"Cannot read the votes in {path} ({error.strerror or error}).") from error
    if path.name == VOTES_FILE or data[:9].lower().lstrip(b"\xef\xbb\xbf").startswith(b"usage"):
        return VoteFile(path.name, b"", (path, _first(list(places), ORDER_FILE)), explicit)
    if len(data) > _MAX_BYTES:
        raise DataError(f"{path.name} is larger than {_MAX_BYTES // 2**20} MB, too large for a file of votes.")
    return VoteFile(path.name, data, None, explicit)


def _first(places: Sequence[Path], name: str) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
