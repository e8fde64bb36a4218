"""A tar archive, plain or compressed by gzip, bzip2 or xz, as a container."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers import base
from fer_core.errors import DataError
from fer_core.images.walk import Skipped
from fer_core.workspace import write_advice

COMPRESSION_ERRORS: Final = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError, ValueError)
"""Exceptions raised when decompressing a damaged file (bz2 raises OSError)."""
_BLOCK: Final = 1 << 20
_OPENERS: Final[Mapping[bytes, Callable[[Path], object]]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


def open_compressed(path: Path) -> IO[bytes] | None:
    """Open a file compressed by gzip, bzip2 or xz for decompressed reading; None for any other file."""
    with open(path, "rb") as file:
        start = file.read(8)
    for magic, opener in _OPENERS.items():
        if start.startswith(magic):
            return cast("IO[bytes]", opener(path))
    return None


def looks_like_tar(start: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar archive."""
    if len(start) < 512:
        return False
    try:
        tarfile.TarInfo.frombuf(start[:512], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


class TarArchive:
    """Files in an uncompressed tar archive, read in place from an open file."""

    files: dict[str, int]
    skipped: tuple[Skipped, ...]

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """List the files.

        Raises:
            DataError: the archive is truncated or damaged, has too many files, or names that lead outside.
        """
        self._part = _SharedFile(file)
        self._members: dict[str, tuple[int, int]] = {}
        skipped: dict[Skipped, None] = {}
        total = os.fstat(file.fileno()).st_size
        try:
            with tarfile.open(fileobj=file, mode="r:", errorlevel=0) as archive:
                for count, member in enumerate(archive):
                    if count >= base.MAX_FILES:
                        raise DataError(f"{path.name} is refused: it has more than {base.MAX_FILES:,} files.")
                    name = member.name.removeprefix("./")
                    base.check_inner_name(path, name)
                    hidden = base.skipped_in_archive(name + ("/" if member.isdir() else ""))
                    if hidden is not None and name not in ("", "."):
                        skipped[hidden] = None
                    elif member.isdir() or base.is_system(name):
                        continue
                    elif member.issym() or member.islnk():
                        skipped[Skipped(name, "links in the archive")] = None
                    elif not member.isreg() or member.issparse():
                        skipped[Skipped(name, "special files in the archive")] = None
                    elif member.size < 0 or member.offset_data + member.size > total:
                        raise _damaged(path)
                    else:
                        base.check_name_length(path.name, name)
                        self._members[name] = member.offset_data, member.size
                # tarfile takes a truncated header for the end; a whole archive ends with blocks of zeros.
                if self._part.read(archive.offset, 512) != bytes(512):
                    raise _damaged(path)
        except (tarfile.TarError, *COMPRESSION_ERRORS) as error:
            raise _damaged(path) from error
        self.files = {name: size for name, (_, size) in self._members.items()}
        self.skipped = tuple(skipped)

    def read(self, name: str, limit: int) -> bytes:
        """See :class:`Container`."""
        start, size = self._members[name]
        if size > limit:
            raise UnreadableFile(f"is larger than {limit // 2**20} MB")
        try:
            return self._part.read(start, size)
        except OSError as error:
            raise UnreadableFile(f"cannot be read ({error.strerror})") from error

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Container`."""
        start, size = self._members[name]
        return io.BufferedReader(_Slice(self._part, start, size))


class _SharedFile:
    """Reads parts of a file for several threads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._lock = file, threading.Lock()

    def read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)


class _Slice(io.RawIOBase):
    """A part of a file as a stream with its own position."""

    def __init__(self, file: _SharedFile, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._file.read(self._start + self._at, min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


@contextmanager
def open_tar(path: Path) -> Iterator[TarArchive]:
    """Open a tar archive for reading; a compressed one is decompressed into a temporary file first.

    Raises:
        DataError: it is truncated, damaged, a bomb, or has names that lead outside; or the temporary file cannot be
            written.
    """
    stream = open_compressed(path)
    if stream is None:
        with open(path, "rb") as file:
            yield TarArchive(path, file)
        return
    with tempfile.TemporaryFile() as spooled:
        with stream:
            _decompress(path, stream, spooled)
        yield TarArchive(path, spooled)


def _decompress(path: Path, stream: IO[bytes], target: IO[bytes]) -> None:
    done, compressed = 0, path.stat().st_size
    while True:
        try:
            block = stream.read(_BLOCK)
        except COMPRESSION_ERRORS as error:
            raise _damaged(path) from error
        if not block:
            break
        done += len(block)
        base.check_expansion(path.name, "it", done, compressed)
        try:
            target.write(block)
            target.flush()
        except OSError as error:
            raise DataError(
                f"{path.name} cannot be unpacked into the temporary folder {tempfile.gettempdir()} "
                f"({error.strerror or error}). {write_advice(error) or ''} Or unpack it and give the folder."
            ) from error
    target.seek(0)


def _damaged(path: Path) -> DataError:
    return DataError(f"{path.name} is a tar archive that is damaged or truncated. Download or copy it again.")
