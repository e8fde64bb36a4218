"""A zip as a container, read in place."""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers import base
from fer_core.errors import DataError
from fer_core.images.walk import Skipped

ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
"""Exceptions raised when reading a damaged zip."""

_END_RECORD = b"PK\x05\x06"
_END_LENGTH = 22


class ZipArchive:
    """Files in a zip; nothing is unpacked to disk."""

    files: dict[str, int]
    skipped: tuple[Skipped, ...]

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        """List the files.

        Raises:
            DataError: the zip is protected, a bomb, or has names that lead outside.
        """
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        declared = 0
        skipped: dict[Skipped, None] = {}
        for info in archive.infolist():
            name = info.filename.replace("\\", "/")
            base.check_inner_name(path, name)
            declared += info.file_size
            if hidden := base.skipped_in_archive(name.rstrip("/") + ("/" if info.is_dir() else "")):
                skipped[hidden] = None
                continue
            if info.is_dir() or base.is_system(name):
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                skipped[Skipped(name, "links in the archive")] = None
                continue
            if info.flag_bits & 1:
                raise DataError(f"{path.name} is protected by a password. Unpack it, and give the folder instead.")
            base.check_name_length(path.name, name)
            base.check_expansion(path.name, name, info.file_size, info.compress_size)
            self._members[name] = info
        base.check_expansion(path.name, "all its files together", declared, path.stat().st_size)
        self.files = {name: info.file_size for name, info in self._members.items()}
        self.skipped = tuple(skipped)

    def read(self, name: str, limit: int) -> bytes:
        """See :class:`Container`."""
        info = self._members[name]
        if info.file_size > limit:
            raise UnreadableFile(f"is larger than {limit // 2**20} MB")
        try:
            with self._archive.open(info) as file:
                data = file.read(limit + 1)
        except (*ZIP_ERRORS, OSError) as error:
            raise UnreadableFile("is damaged in the zip") from error
        if len(data) > limit:
            raise UnreadableFile(f"is larger than {limit // 2**20} MB")
        return data

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Container`."""
        return self._archive.open(self._members[name])  # open_zip converts its errors


@contextmanager
def open_zip(path: Path) -> Iterator[ZipArchive]:
    """Open a zip for reading in place.

    Raises:
        DataError: it is truncated, damaged, protected, a bomb, or has names that lead outside.
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
    """Return the SHA-256 (hex) of a zip's central directory, which has name, size and CRC-32 of every file.

    Reads at most some megabytes, however large the zip is.

    Raises:
        DataError: the zip is truncated and has no directory.
    """
    digest = hashlib.sha256(_directory_bytes(path))
    digest.update(str(path.stat().st_size).encode())
    return digest.hexdigest()


def zip_names(path: Path, text: str) -> bool:
    """Return whether ``text`` occurs among the names of a zip's files, by its directory alone.

    Raises:
        DataError: the zip is truncated and has no directory.
    """
    return text.encode() in _directory_bytes(path)


def _directory_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        start, end, _ = _directory(path, file)
        file.seek(start)
        return file.read(end - start)


def _directory(path: Path, file: IO[bytes]) -> tuple[int, int, int]:
    """Return start and end of a zip's central directory, and the number of files it declares."""
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
    if length == 0xFFFFFFFF or count == 0xFFFF:  # zip64: a record before this one has the true values
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
    # zipfile needs about a kilobyte of memory per entry, so the number is checked before it opens the file.
    if count > base.MAX_FILES or end - start > base.MAX_FILES * 128:
        raise DataError(f"{path.name} is refused: it declares {count:,} files, more than {base.MAX_FILES:,}.")


def _damaged(path: Path) -> DataError:
    return DataError(f"{path.name} is a zip that is damaged or truncated. Download or copy it again.")
