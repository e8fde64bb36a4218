"""The content cache: parsed data, predictions, features, filters, experiments, out-of-fold results.

``cache/v2/<kind>/<digest>.npz`` contains plain arrays and JSON values, never pickles, with a CRC-32 of every array. Everything
here can be computed again, so one policy suffices: an entry that is missing, truncated, damaged, or of another layout or key is
a miss, and unusable files are deleted. Above the size limit, the least recently used entries are deleted. Entries are written
atomically, so several processes may write and delete them. If the disk is full or read-only, the program works without the
cache and logs that once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from fer_core.errors import ConfigError, WorkspaceError
from fer_core.workspace import Workspace, atomic_write

Arrays = Mapping[str, npt.NDArray[Any]]
"""Arrays of numbers or text, by name."""
Kind = Literal[
    "data", "predictions", "features", "patterns", "top-faces", "experiments", "out-of-fold", "onnx", "take-features"
]
"""The kind of an entry; each kind has its own folder."""

LAYOUT: Final = 2
"""Increased whenever the file format changes; entries of other layouts are ignored."""
DEFAULT_LIMIT: Final = 5 * 10**9
LIMIT_VARIABLE: Final = "FER_CACHE_LIMIT"

_FIRST_LAYOUT: Final = ("data", "evaluations", "filters", "experiments", "out-of-fold")
"""Folders of the first layout in ``cache/``."""
_STALE: Final = 3600.0
"""Seconds after which an unfinished file counts as abandoned by a process that died."""
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Entry:
    """The content of an entry: arrays of numbers or text, and JSON values."""

    arrays: Arrays = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """The size of a store."""

    entries: int
    bytes: int
    limit: int
    kinds: Mapping[str, tuple[int, int]]
    """Kind -> number of entries and bytes."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        kinds = {kind: {"entries": entries, "bytes": size} for kind, (entries, size) in self.kinds.items()}
        return {"entries": self.entries, "bytes": self.bytes, "limit": self.limit, "kinds": kinds}


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    used: float  # time of the last write or read, UTC seconds since 1970


class Store:
    """The content cache of one workspace.

    Args:
        workspace: the workspace.
        limit: maximum size in bytes; None uses ``FER_CACHE_LIMIT`` or 5 GB.

    Raises:
        ConfigError: ``FER_CACHE_LIMIT`` is not a size.
    """

    _problems: ClassVar[dict[Path, str]] = {}
    """Folder of a store that cannot be written -> the message that was logged."""

    def __init__(self, workspace: Workspace, limit: int | None = None) -> None:
        self._cache = workspace.cache
        self._folder = workspace.cache / f"v{LAYOUT}"
        self.limit = default_limit() if limit is None else limit

    def path(self, kind: Kind, key: str) -> Path:
        """Return the path of a key's entry, whether it exists or not."""
        return self._folder / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"

    def get(self, kind: Kind, key: str, read: Callable[[Entry], _T]) -> _T | None:
        """Return the entry of a key and mark it as used; None if there is no usable entry.

        Args:
            kind: the kind of entry.
            key: the key it was stored under.
            read: converts the entry to the result; any error it raises counts as damage.
        """
        path = self.path(kind, key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                if (about["layout"], about["kind"], about["key"]) != (LAYOUT, kind, key):
                    raise ValueError("an entry of another layout or key")
                arrays = {name: stored[name] for name in stored.files if name != "about"}
            found = read(Entry(arrays, about["values"]))
        except FileNotFoundError:
            return None
        except Exception as error:  # damaged archives can raise almost any error
            _log.info("deleted the unusable cache entry %s: %s", path, error)
            _remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return found

    def put(self, kind: Kind, key: str, arrays: Arrays | None = None, **values: Any) -> str | None:
        """Store a result under a key that covers all its inputs; the least recently used entries are deleted.

        Args:
            kind: the kind of entry.
            key: any text.
            arrays: numbers or text, by name.
            values: JSON values.

        Returns:
            None if the result was stored, otherwise a sentence that says why not. The result must then be computed again.
        """
        about = {"layout": LAYOUT, "kind": kind, "key": key, "values": values}
        path = self.path(kind, key)
        try:
            with atomic_write(path) as file:
                np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **(arrays or {}))
                size = file.tell()
        except WorkspaceError as error:
            return self._cannot_write(str(error))
        self._problems.pop(self._folder, None)
        if size > self.limit:
            _remove(path)
            return f"It is larger than the cache may be ({format_size(self.limit)}, {LIMIT_VARIABLE})."
        self.prune()
        return None

    def remove(self, kind: Kind, key: str) -> None:
        """Delete an entry if it exists."""
        _remove(self.path(kind, key))

    def clear(self, kind: Kind) -> int:
        """Delete all entries of a kind; return their number."""
        entries = [file.path for file in self._files() if file.path.parent.name == kind]
        for path in entries:
            _remove(path)
        return sum(not path.exists() for path in entries)

    @property
    def problem(self) -> str | None:
        """Why the last result could not be stored; None if the store works."""
        return self._problems.get(self._folder)

    def size(self) -> Usage:
        """Return the size of the store."""
        kinds: dict[str, tuple[int, int]] = {}
        for file in self._files():
            entries, size = kinds.get(file.path.parent.name, (0, 0))
            kinds[file.path.parent.name] = entries + 1, size + file.size
        return Usage(
            entries=sum(entries for entries, _ in kinds.values()),
            bytes=sum(size for _, size in kinds.values()),
            limit=self.limit,
            kinds=dict(sorted(kinds.items())),
        )

    def prune(self, to: int | None = None, entries: int | None = None) -> None:
        """Delete the least recently used entries until at most ``to`` bytes remain (None: the limit).

        Also deletes what the first layout left behind, and abandoned unfinished files.

        Args:
            to: bytes that may remain.
            entries: number of entries that may remain; None for any.
        """
        self._remove_older_layout()
        most = self.limit if to is None else to
        files = sorted(self._files(), key=lambda file: file.used)
        left = sum(file.size for file in files)
        for number, file in enumerate(files):
            if left <= most and (entries is None or len(files) - number <= entries):
                break
            _remove(file.path)
            left -= file.size

    def _files(self) -> Iterator[_File]:
        """List the complete entries; abandoned unfinished files are deleted on the way."""
        for folder in _directories(self._folder):
            for path in _entries(folder):
                try:
                    about = path.stat()
                except OSError:  # deleted by another process
                    continue
                if path.suffix == ".npz" and path.name[0] != ".":
                    yield _File(path, about.st_size, about.st_mtime)
                elif path.suffix == ".part" and abs(time.time() - about.st_mtime) > _STALE:
                    _remove(path)

    def _remove_older_layout(self) -> None:
        for name in _FIRST_LAYOUT:
            if (self._cache / name).is_dir():
                shutil.rmtree(self._cache / name, ignore_errors=True)

    def _cannot_write(self, reason: str) -> str:
        if self._folder not in self._problems:
            _log.warning("Results cannot be cached and will be computed again. %s", reason)
        self._problems[self._folder] = reason
        return reason


def default_limit() -> int:
    """Return the maximum size of a store: ``FER_CACHE_LIMIT``, such as ``5GB``, or 5 GB.

    Raises:
        ConfigError: the variable is not a size.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    return DEFAULT_LIMIT if not text else parse_size(text, LIMIT_VARIABLE)


def parse_size(text: str, name: str = "A size") -> int:
    """Parse ``5GB``, ``500 MB``, ``1.5 GiB`` or ``1000`` to bytes, in units of 1000, or of 1024 with an ``i``.

    Args:
        text: the text.
        name: what the size is for, as the subject of the error message.

    Raises:
        ConfigError: the text is not a size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?\s*", text.upper())
    if found is None or (found[3] and not found[2]):
        raise ConfigError(f"{name} must be a size such as 5GB, 500MB or 0; got '{text}'.")
    unit = _UNITS[found[2]] if not found[3] else 1024 ** list(_UNITS).index(found[2])
    return int(float(found[1]) * unit)


def format_size(count: int) -> str:
    """``1_500_000`` -> ``1.5 MB``."""
    value, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:,.1f} {unit}" if unit != "bytes" else f"{count} bytes"


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # another process deleted it, or the disk is read-only
        path.unlink(missing_ok=True)


def _directories(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
