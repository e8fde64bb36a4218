"""Walks a folder of files: follows linked folders once, and records every file and folder it does not return."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from fer_core.errors import DataError
from fer_core.formatting import counted, display_safe

SkipReason = Literal[
    "hidden folders",
    "hidden files",
    "links to nowhere",
    "links to files outside the folder",
    "linked folders that were already read",
    "linked folders that contain the folder itself",
    "special files (pipes, sockets or devices)",
    "links in the archive",
    "files without a file extension",
    "files that are not images",
    "special files in the archive",
]
"""Why a file or folder is not read, in the plural, for :func:`describe_skipped`."""

_SINGULAR: Final[dict[SkipReason, str]] = {
    "hidden folders": "hidden folder",
    "hidden files": "hidden file",
    "links to nowhere": "link to nowhere",
    "links to files outside the folder": "link to a file outside the folder",
    "linked folders that were already read": "linked folder that was already read",
    "linked folders that contain the folder itself": "linked folder that contains the folder itself",
    "special files (pipes, sockets or devices)": "special file (pipe, socket or device)",
    "links in the archive": "link in the archive",
    "files without a file extension": "file without a file extension",
    "files that are not images": "file that is not an image",
    "special files in the archive": "special file in the archive",
}

_SYSTEM_FILES: Final = frozenset((".ds_store", "thumbs.db", "desktop.ini", ".gitkeep", ".gitignore", ".directory"))
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that was not read.

    Attributes:
        name: relative to the folder, with ``/`` between its parts.
        reason: why.
    """

    name: str
    reason: SkipReason


@dataclass(frozen=True)
class WalkedFolder:
    """The files under a folder.

    Attributes:
        files: size in bytes of each regular file by its name relative to the folder, with ``/`` between its parts.
            Files of system software (``.DS_Store``, ``Thumbs.db``, ``__MACOSX``) are not listed anywhere.
        skipped: everything else that was not read.
    """

    files: dict[str, int]
    skipped: tuple[Skipped, ...]


def is_system_file(name: str) -> bool:
    """Whether a file or folder of this name (without folders) belongs to the operating system, not to the user."""
    return name == "__MACOSX" or name.startswith("._") or name.lower() in _SYSTEM_FILES


def describe_skipped(skipped: Iterable[Skipped]) -> list[str]:
    """Return a sentence for each reason, with the number and the first names."""
    by_reason: dict[SkipReason, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one.reason, []).append(one.name)
    return [
        f"Not read: {counted(len(names), _SINGULAR[reason], reason)}: {_named(names)}."
        for reason, names in by_reason.items()
    ]


def walk_folder(folder: Path, max_files: int) -> WalkedFolder:
    """List the files under a folder, by name within each folder.

    Links to folders are followed after everything else, each target once, so that a file has the name under which it
    really lies. A link to a file is followed if the target is in the folder or in a linked folder.

    Args:
        folder: where to start.
        max_files: more files and folders than this are refused.

    Raises:
        DataError: the folder or one inside it cannot be read, or there are too many files.
    """
    walk = _Walk(folder, max_files)
    walk.read_tree("", folder)
    while walk.links:
        walk.follow(walk.links.pop(0))
    walk.resolve_file_links()
    return WalkedFolder(walk.files, tuple(walk.skipped))


class _Walk:
    def __init__(self, folder: Path, max_files: int) -> None:
        self.folder, self.max_files = folder, max_files
        self.files: dict[str, int] = {}
        self.skipped: list[Skipped] = []
        self.links: list[str] = []  # links to folders that were not followed yet
        self._roots = [folder.resolve()]
        self._file_links: list[str] = []
        self._seen: set[tuple[int, int]] = set()
        self._folders = 0

    def read_tree(self, name: str, path: Path) -> None:
        """Read a folder and everything below, without following links."""
        pending = [(name, path)]
        while pending:
            name, path = pending.pop()
            try:
                status = path.stat()
                with os.scandir(path) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError as error:
                raise DataError(f"The folder {display_safe(path)} cannot be read ({error.strerror}).") from error
            self._seen.add((status.st_dev, status.st_ino))
            self._folders += 1
            inner = [(f"{name}/{e.name}" if name else e.name, e) for e in entries]
            pending += reversed([(n, Path(e.path)) for n, e in inner if self._read_entry(n, e)])
            if len(self.files) + len(pending) + self._folders > self.max_files + 1:
                raise DataError(
                    f"The folder {display_safe(self.folder)} has more than {self.max_files:,} files. "
                    "Give a smaller folder."
                )

    def _read_entry(self, name: str, entry: os.DirEntry[str]) -> bool:
        """Record a file or link; True for a folder, which is still to be read."""
        if is_system_file(entry.name):
            return False
        if entry.name.startswith("."):
            self._skip(name, "hidden folders" if entry.is_dir(follow_symlinks=False) else "hidden files")
        elif entry.is_dir(follow_symlinks=False):
            return True
        elif entry.is_symlink():
            (self.links if os.path.isdir(entry.path) else self._file_links).append(name)
        elif entry.is_file(follow_symlinks=False):
            self.files[name] = entry.stat(follow_symlinks=False).st_size
        else:
            self._skip(name, "special files (pipes, sockets or devices)")
        return False

    def follow(self, name: str) -> None:
        """Read the folder that a link leads to, unless it was read before or contains the folder itself."""
        path = self.folder / name
        try:
            status, target = path.stat(), path.resolve()
        except (OSError, RuntimeError):
            self._skip(name, "links to nowhere")
            return
        if (status.st_dev, status.st_ino) in self._seen:
            self._skip(name, "linked folders that were already read")
        elif any(root.is_relative_to(target) for root in self._roots):
            self._skip(name, "linked folders that contain the folder itself")
        else:
            self._roots.append(target)
            self.read_tree(name, path)

    def resolve_file_links(self) -> None:
        """Record links to files inside the folders that were read, skip all others."""
        for name in self._file_links:
            path = self.folder / name
            try:
                target = path.resolve(strict=True)
                if not target.is_file():
                    self._skip(name, "special files (pipes, sockets or devices)")
                elif any(target.is_relative_to(root) for root in self._roots):
                    self.files[name] = target.stat().st_size
                else:
                    self._skip(name, "links to files outside the folder")
            except (OSError, RuntimeError):
                self._skip(name, "links to nowhere")

    def _skip(self, name: str, reason: SkipReason) -> None:
        self.skipped.append(Skipped(name, reason))


def _named(names: list[str]) -> str:
    examples = ", ".join(f"'{display_safe(name)[:80]}'" for name in names[:_NAMED])
    return f"{examples} and {len(names) - _NAMED:,} more" if len(names) > _NAMED else examples
