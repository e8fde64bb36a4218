"""A folder or a zip seen alike: named files that can be read, with hostile names, links and bombs kept out."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from fer_core.data.parsed import MAX_ID, BrokenFile
from fer_core.errors import DataError
from fer_core.formatting import display_safe

MAX_FILES = 1_000_000
"""Most files a container may hold."""
MAX_EXPANSION = 100
"""A zip whose content is this many times larger than itself, and larger than ``SMALL``, is a bomb: pictures do not
shrink and the pixels of a csv shrink to a third."""
SMALL = 64 * 2**20

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""What reading a damaged zip raises."""

_END_RECORD = b"PK\x05\x06"
_END_LENGTH = 22
_SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini"))


class Container(Protocol):
    """Files by name; names are relative, with ``/`` between their parts."""

    files: dict[str, int]
    """Name and size in bytes of each file that may be read; system files and links are left out."""
    warnings: tuple[str, ...]
    """Sentences for the user on what was left out."""
    hidden: tuple[str, ...]
    """Hidden folders, which are not read."""

    def read(self, name: str, limit: int) -> bytes:
        """The content of one file.

        Raises:
            BrokenFile: it cannot be read, or is longer than ``limit`` bytes.
        """

    def open(self, name: str) -> IO[bytes]:
        """A stream of one file."""


def _is_system_file(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].lower() in _SYSTEM_FILES


def _hidden_folder(name: str) -> str | None:
    """The outermost folder in the name of a file that is hidden; None if none is, or only what macOS adds to zips."""
    folders = name.split("/")[:-1]
    at = next((i for i, folder in enumerate(folders) if folder.startswith(".")), None)
    return None if at is None or "__MACOSX" in folders else "/".join(folders[: at + 1])


def _check_name_length(where: str, name: str) -> None:
    if len(name) > MAX_ID:
        raise DataError(
            f"{where} holds a file name of {len(name):,} characters ({name[:40]}…); at most {MAX_ID} are read."
        )


def _size_inside(entry: os.DirEntry[str], root: Path) -> int | None:
    """Size of an ordinary file; None for pipes, devices, and links to folders, to nowhere or out of ``root``."""
    try:
        if not entry.is_file() or (entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root)):
            return None
        return entry.stat().st_size
    except (OSError, RuntimeError):  # links that lead in a circle
        return None


class Folder:
    """Files under a folder. Links to directories are not followed; links to files only inside the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = {}
        root = path.resolve()
        left_out = 0
        hidden = []
        directories = [""]
        while directories:
            directory = directories.pop()
            try:
                with os.scandir(path / directory) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError as error:
                raise DataError(f"The folder {path / directory} cannot be read ({error.strerror}).") from error
            inner = []
            for entry in entries:
                name = f"{directory}/{entry.name}" if directory else entry.name
                if _is_system_file(entry.name):
                    if entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                        hidden.append(name)
                    continue
                if entry.is_dir(follow_symlinks=False):
                    inner.append(name)
                    continue
                size = _size_inside(entry, root)
                if size is None:
                    left_out += 1
                    continue
                _check_name_length(path.name, name)
                self.files[name] = size
            if len(self.files) + len(directories) + len(inner) > MAX_FILES:
                raise DataError(f"The folder {path} holds more than {MAX_FILES:,} files. Give a smaller folder.")
            directories += reversed(inner)
        self.hidden: tuple[str, ...] = tuple(hidden)
        self.warnings: tuple[str, ...] = ()
        if left_out:
            self.warnings = (f"Links that lead outside the folder, or special files, were left out ({left_out:,}).",)

    files: dict[str, int]

    def content_key(self, names: Iterable[str]) -> str:
        """sha-256 hex over the content of the files ``names``, and the names and sizes of all."""
        digest = hashlib.sha256()
        for name, size in self.files.items():
            digest.update(os.fsencode(name) + f"\0{size}\0".encode())
        for name in names:
            try:
                with open(f"{self.path}/{name}", "rb") as file:
                    while block := file.read(2**20):
                        digest.update(block)
            except OSError as error:
                digest.update(str(error.errno).encode())
        return digest.hexdigest()

    def read(self, name: str, limit: int) -> bytes:
        """See :class:`Container`."""
        try:
            with open(f"{self.path}/{name}", "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise BrokenFile(f"cannot be read ({error.strerror})") from error
        if len(data) > limit:
            raise BrokenFile(f"is larger than {limit // 2**20} MB")
        return data

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Container`."""
        return open(self.path / name, "rb")


class ZipArchive:
    """Files in a zip, read in place; nothing is ever unpacked to disk."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        links = 0
        declared = 0
        hidden: dict[str, None] = {}
        for info in archive.infolist():
            name = info.filename.replace("\\", "/")
            if name.startswith("/") or ".." in name.split("/") or (len(name) > 1 and name[1] == ":"):
                raise DataError(
                    f"{path.name} is refused: the name '{display_safe(name[:80])}' in it leads outside the archive, "
                    "as no data set's does. Get the file again from a source you trust."
                )
            declared += info.file_size
            if (folder := _hidden_folder(name)) is not None:
                hidden[folder] = None
            if info.is_dir() or _is_system_file(name):
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                links += 1
                continue
            if info.flag_bits & 1:
                raise DataError(f"{path.name} is protected by a password. Unpack it, and give the folder instead.")
            _check_name_length(path.name, name)
            _check_expansion(path.name, name, info.file_size, info.compress_size)
            self._members[name] = info
        _check_expansion(path.name, "all its files together", declared, path.stat().st_size)
        self.files = {name: info.file_size for name, info in self._members.items()}
        self.hidden: tuple[str, ...] = tuple(hidden)
        self.warnings: tuple[str, ...] = ()
        if links:
            self.warnings = (f"Links in the zip were left out ({links:,}).",)

    files: dict[str, int]

    def read(self, name: str, limit: int) -> bytes:
        """See :class:`Container`."""
        info = self._members[name]
        if info.file_size > limit:
            raise BrokenFile(f"is larger than {limit // 2**20} MB")
        try:
            with self._archive.open(info) as file:
                data = file.read(limit + 1)
        except (*ZIP_ERRORS, OSError) as error:
            raise BrokenFile("is damaged in the zip") from error
        if len(data) > limit:
            raise BrokenFile(f"is larger than {limit // 2**20} MB")
        return data

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Container`."""
        return self._archive.open(self._members[name])  # open_zip turns its errors into ours


def _check_expansion(zip_name: str, what: str, declared: int, compressed: int) -> None:
    if declared > SMALL and declared > MAX_EXPANSION * max(compressed, 1):
        raise DataError(
            f"{zip_name} is refused as a zip bomb: {what} would unpack from {compressed / 2**20:,.1f} MB "
            f"to {declared / 2**20:,.0f} MB. Get the file again from a source you trust."
        )


@contextmanager
def open_zip(path: Path) -> Iterator[ZipArchive]:
    """Open a zip for reading in place.

    Raises:
        DataError: it is cut short, damaged, protected, a bomb, or holds names that lead outside.
    """
    _check_number_of_files(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise _damaged(path) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    with archive:
        try:
            yield ZipArchive(path, archive)
        except ZIP_ERRORS as error:
            raise _damaged(path) from error


def zip_content_key(path: Path) -> str:
    """sha-256 hex over the directory at the end of a zip, which holds name, size and CRC-32 of every file in it.

    Reads some megabytes at most, however large the zip is.

    Raises:
        DataError: the zip is cut short, so that it has no directory.
    """
    with open(path, "rb") as file:
        start, end, _ = _directory(path, file)
        file.seek(start)
        digest = hashlib.sha256(file.read(end - start))
    digest.update(str(path.stat().st_size).encode())
    return digest.hexdigest()


def _directory(path: Path, file: IO[bytes]) -> tuple[int, int, int]:
    """Start and end of a zip's directory, and the number of files it declares."""
    size = file.seek(0, os.SEEK_END)
    tail_start = max(0, size - _END_LENGTH - 0xFFFF)  # a comment of up to 65,535 bytes may follow the record
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(_END_RECORD)
    if at < 0 or at + _END_LENGTH > len(tail):
        raise _damaged(path)
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    end = tail_start + at
    if length == 0xFFFFFFFF or count == 0xFFFF:  # zip64: the true figures stand in a record of their own before this
        record = tail.rfind(b"PK\x06\x06", 0, at)
        if record < 0 or record + 56 > len(tail):
            raise _damaged(path)
        count = int.from_bytes(tail[record + 32 : record + 40], "little")
        length = int.from_bytes(tail[record + 40 : record + 48], "little")
        end = tail_start + record
    if length > end:
        raise _damaged(path)
    return end - length, end, count


def _check_number_of_files(path: Path) -> None:
    with open(path, "rb") as file:
        start, end, count = _directory(path, file)
    # zipfile keeps an object of about a kilobyte for each entry, so the number is looked at before it starts.
    if count > MAX_FILES or end - start > MAX_FILES * 128:
        raise DataError(f"{path.name} is refused: it declares {count:,} files, more than {MAX_FILES:,}.")


def _damaged(path: Path) -> DataError:
    return DataError(f"{path.name} is a zip that is damaged or was cut short. Download or copy it again.")
