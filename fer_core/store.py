"""The one content cache: parsed data, predictions, features, filters, experiments, out-of-fold results.

``cache/v2/<kind>/<digest>.npz``: plain arrays and JSON values, never pickles, with the CRC-32 of every array in the file.
Everything here can be computed again, so the policy is one for all: an entry that is missing, cut short, damaged, of
another layout or of another key is a miss, and what cannot be used is removed. Beyond the size limit the entries unused
longest go. Entries appear whole or not at all, so several processes may write and remove them at once. On a disk that is
full or read-only the program works without, and says so once.
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
Kind = Literal["data", "predictions", "features", "patterns", "top-faces", "experiments", "out-of-fold", "onnx"]
"""What an entry holds; each kind has a folder of its own."""

LAYOUT: Final = 2
"""Raised whenever entries are written in another form; those of another layout are never believed."""
DEFAULT_LIMIT: Final = 5 * 10**9
LIMIT_VARIABLE: Final = "FER_CACHE_LIMIT"

_FIRST_LAYOUT: Final = ("data", "evaluations", "filters", "experiments", "out-of-fold")
"""Folders in ``cache/`` where the first layout lay."""
_STALE: Final = 3600.0
"""Seconds after which a file that is still being written was left behind by a process that died."""
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Entry:
    """What one entry holds: arrays of numbers or text, and values as JSON knows them."""

    arrays: Arrays = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a store holds."""

    entries: int
    bytes: int
    limit: int
    kinds: Mapping[str, tuple[int, int]]
    """Kind -> its entries and bytes."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        kinds = {kind: {"entries": entries, "bytes": size} for kind, (entries, size) in self.kinds.items()}
        return {"entries": self.entries, "bytes": self.bytes, "limit": self.limit, "kinds": kinds}


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    size: int
    used: float  # when it was last written or read, UTC seconds since 1970


class Store:
    """The content cache of one workspace.

    Args:
        workspace: whose cache it is.
        limit: most bytes kept; ``FER_CACHE_LIMIT`` or 5 GB where it is None.

    Raises:
        ConfigError: ``FER_CACHE_LIMIT`` is no size.
    """

    _problems: ClassVar[dict[Path, str]] = {}
    """Folder of a store that cannot be written -> what was said about it, once."""

    def __init__(self, workspace: Workspace, limit: int | None = None) -> None:
        self._cache = workspace.cache
        self._folder = workspace.cache / f"v{LAYOUT}"
        self.limit = default_limit() if limit is None else limit

    def path(self, kind: Kind, key: str) -> Path:
        """Where the entry of this key lies, whether it exists or not."""
        return self._folder / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"

    def get(self, kind: Kind, key: str, read: Callable[[Entry], _T]) -> _T | None:
        """What is kept for a key, now the entry used last; None where there is nothing that can be used.

        Args:
            kind: of the entry.
            key: the text it was put under.
            read: makes the result of what was put; whatever it raises counts as damage of the entry.
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
        except Exception as error:  # damaged archives raise nearly anything
            _log.info("the cache entry %s is not used and removed: %s", path, error)
            _remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return found

    def put(self, kind: Kind, key: str, arrays: Arrays | None = None, **values: Any) -> str | None:
        """Keep a result under a key that names all it depends on; the entries unused longest give way.

        Args:
            kind: of the entry.
            key: any text.
            arrays: numbers or text, by name.
            values: anything that JSON knows.

        Returns:
            None where it is kept; else a sentence why it is not. That costs time the next time, nothing else.
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
            return f"It takes more than the {format_size(self.limit)} the cache may hold ({LIMIT_VARIABLE})."
        self.prune()
        return None

    def remove(self, kind: Kind, key: str) -> None:
        """Remove an entry; nothing happens where there is none."""
        _remove(self.path(kind, key))

    @property
    def problem(self) -> str | None:
        """Why nothing could be kept the last time, in a sentence; None where all is well."""
        return self._problems.get(self._folder)

    def size(self) -> Usage:
        """How much it holds."""
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

    def prune(self, to: int | None = None) -> None:
        """Remove the entries unused longest until at most ``to`` bytes are left, the limit where it is None.

        What the first layout left behind goes as well, and files that a process left half written.
        """
        self._remove_older_layout()
        most = self.limit if to is None else to
        files = sorted(self._files(), key=lambda file: file.used)
        left = sum(file.size for file in files)
        for file in files:
            if left <= most:
                break
            _remove(file.path)
            left -= file.size

    def _files(self) -> Iterator[_File]:
        """The whole entries there are; half-written ones that nobody writes any more are removed on the way."""
        for folder in _directories(self._folder):
            for path in _entries(folder):
                try:
                    about = path.stat()
                except OSError:  # removed by another process this instant
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
            _log.warning("Results are computed again each time, since they cannot be kept. %s", reason)
        self._problems[self._folder] = reason
        return reason


def default_limit() -> int:
    """Most bytes a store keeps: what ``FER_CACHE_LIMIT`` says, such as ``5GB``, else 5 GB.

    Raises:
        ConfigError: it is no size.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    return DEFAULT_LIMIT if not text else parse_size(text, LIMIT_VARIABLE)


def parse_size(text: str, name: str = "A size") -> int:
    """Bytes from ``5GB``, ``500 MB``, ``1.5 GiB`` or ``1000``; units of 1000, or of 1024 where an ``i`` stands in them.

    Args:
        text: what was written.
        name: what the size is for, to begin the error's sentence.

    Raises:
        ConfigError: it is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?\s*", text.upper())
    if found is None or (found[3] and not found[2]):
        raise ConfigError(f"{name} must be a size such as 5GB, 500MB or 0; '{text}' is none.")
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
    with contextlib.suppress(OSError):  # somebody else removed it, or the disk is read-only
        path.unlink(missing_ok=True)


def _directories(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
