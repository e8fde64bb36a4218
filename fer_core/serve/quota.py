"""The space of each user: bytes and files in a workspace, and the refusal to write more than the settings allow.

The least recently used cache of a user is deleted before anything is refused.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fer_core.errors import QuotaError, WorkspaceError
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import User
from fer_core.store import Store, format_size
from fer_core.workspace import Workspace

TRAINING_BYTES: Final = 50 * 10**6
"""Space that must be free before a training starts: its checkpoints and figures, in bytes."""
TRAINING_FILES: Final = 20
RECORDING_BYTES: Final = 10 * 10**6
"""Space that must be free before a recording starts; it stops by itself at what is left, in bytes."""
TAKE_BYTES: Final = 10**6
"""Space that must be free before a take is recorded, in bytes."""
TAKE_FILES: Final = 60
DELETABLE: Final = ("uploads", "recordings", "predictions", "cache")
"""Folders of a workspace whose content a user may delete as a whole; everything else has a page of its own."""

_FRESH: Final = 10.0  # seconds for which a measurement is used
_REMEMBERED: Final = 10_000  # users measured


@dataclass(frozen=True, slots=True)
class Usage:
    """What a user keeps.

    Attributes:
        bytes: size of all files.
        files: number of files.
        kinds: folder of the workspace -> (files, bytes); "" for files outside all folders.
        changed: time of the last change of a file, in seconds since 1970; 0 without files.
    """

    bytes: int = 0
    files: int = 0
    kinds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    changed: float = 0.0

    def share(self, settings: ServeSettings) -> float:
        """Share of the quota in use: of bytes or of files, whichever is larger; at most 1."""
        return min(1.0, max(self.bytes / settings.user_bytes, self.files / settings.user_files))


def measure(workspace: Workspace) -> Usage:
    """Count the files of a workspace; files that appear or disappear meanwhile are no error."""
    kinds: dict[str, tuple[int, int]] = {}
    changed = 0.0
    for kind, about in _files(workspace.root):
        files, total = kinds.get(kind, (0, 0))
        kinds[kind] = files + 1, total + about.st_size
        changed = max(changed, about.st_mtime)
    return Usage(
        bytes=sum(total for _, total in kinds.values()),
        files=sum(files for files, _ in kinds.values()),
        kinds=kinds,
        changed=changed,
    )


class Quotas:
    """The space of the users of one server process; thread-safe.

    Args:
        clock: seconds that never go backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._measured: dict[str, tuple[float, Usage]] = {}
        self._promised: dict[str, tuple[int, int]] = {}  # files and bytes since the measurement

    def usage(self, user: User) -> Usage:
        """Return what a user keeps, at most ten seconds old, or counted anew."""
        with self._lock:
            found = self._measured.get(user.key)
        if found is not None and self._clock() - found[0] < _FRESH:
            return found[1]
        return self.measure(user)

    def measure(self, user: User) -> Usage:
        """Count the files of a user anew."""
        now = measure(user.workspace)
        with self._lock:
            if len(self._measured) >= _REMEMBERED:
                self._measured.clear()
                self._promised.clear()
            self._measured[user.key] = self._clock(), now
            self._promised.pop(user.key, None)
        return now

    def changed(self, user: User) -> None:
        """Count anew at the next question, after a user deleted something."""
        with self._lock:
            self._measured.pop(user.key, None)

    def left(self, user: User, settings: ServeSettings) -> int:
        """Return the bytes a user may still write, with the cache deleted if need be; never negative."""
        usage = self.usage(user)
        return max(0, settings.user_bytes - usage.bytes + usage.kinds.get("cache", (0, 0))[1])

    def require(
        self, user: User, settings: ServeSettings, adding_bytes: int = 0, adding_files: int = 1, *, what: str = "this"
    ) -> None:
        """Free space for files, and count them as written; the oldest cache of the user is deleted first.

        Args:
            user: who writes.
            settings: the settings of the server.
            adding_bytes: bytes to be written.
            adding_files: files to be written.
            what: what needs the space, as the subject of the message.

        Raises:
            QuotaError: there is not enough space without the cache; nothing was deleted but cache.
        """
        usage = self.usage(user)
        with self._lock:
            files, size = self._promised.get(user.key, (0, 0))
        if not _fits(usage, settings, size + adding_bytes, files + adding_files):
            _free_space(user, self.measure(user), settings, adding_bytes, adding_files)
            usage = self.measure(user)
            if not _fits(usage, settings, adding_bytes, adding_files):
                raise QuotaError(_refusal(usage, settings, adding_bytes, what))
        with self._lock:
            files, size = self._promised.get(user.key, (0, 0))
            self._promised[user.key] = files + adding_files, size + adding_bytes

    def trim(self, users: Callable[[str], User], settings: ServeSettings) -> None:
        """Delete the oldest cache of users who are over their quota; of those asked about lately only, so it stays cheap.

        Args:
            users: the user of a key.
            settings: the settings of the server.
        """
        with self._lock:
            known = [key for key, (when, _) in self._measured.items() if self._clock() - when < 60 * _FRESH]
        for key in known:
            user = users(key)
            _free_space(user, measure(user.workspace), settings, 0, 0)


def delete_kind(workspace: Workspace, kind: str) -> None:
    """Delete one of the folders in :data:`DELETABLE`.

    Raises:
        WorkspaceError: something cannot be deleted.
    """
    if kind not in DELETABLE:
        raise ValueError(f"{kind!r} is not one of {DELETABLE}")
    folder = workspace.root / kind
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise WorkspaceError(f"Your {kind} cannot be deleted completely ({error.strerror}). Try again.") from error


def _fits(usage: Usage, settings: ServeSettings, adding_bytes: int, adding_files: int) -> bool:
    return usage.bytes + adding_bytes <= settings.user_bytes and usage.files + adding_files <= settings.user_files


def _free_space(user: User, usage: Usage, settings: ServeSettings, adding_bytes: int, adding_files: int) -> None:
    """Delete as much of the oldest cache as is too much, if there is any."""
    if _fits(usage, settings, adding_bytes, adding_files) or "cache" not in usage.kinds:
        return
    store = Store(user.workspace)
    kept = store.size()
    to = kept.bytes - max(0, usage.bytes + adding_bytes - settings.user_bytes)
    entries = kept.entries - max(0, usage.files + adding_files - settings.user_files)
    store.prune(to=max(0, min(to, kept.limit)), entries=max(0, entries))


def _refusal(usage: Usage, settings: ServeSettings, adding_bytes: int, what: str) -> str:
    if usage.bytes + adding_bytes > settings.user_bytes:
        full = (
            f"Your space is full: {format_size(usage.bytes)} of {format_size(settings.user_bytes)} are in use, and {what} "
            f"needs {format_size(adding_bytes)}."
        )
    else:
        full = f"Your space is full: you keep {usage.files:,} of at most {settings.user_files:,} files."
    return f"{full} Delete runs, takes, recordings or uploads you no longer need (page Account), then try again."


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the folder below the root and the status of every file; links are counted, not followed."""
    pending: list[tuple[str, str]] = [("", str(root))]
    while pending:
        kind, folder = pending.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((kind or entry.name, entry.path))
                else:
                    yield kind, entry.stat(follow_symlinks=False)
            except OSError:
                continue
