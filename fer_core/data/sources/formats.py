"""Registry of the file formats of data sets: how each is recognized by its content, identified and read.

To add a format, write its reader in ``tables/`` or its container in ``containers/`` and register it in
:data:`FORMATS`.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fer_core.data.parsed import ClassReading, Parsed, Progress
from fer_core.data.sources.containers import Container, Folder, open_tar, open_zip, zip_content_key, zip_names
from fer_core.data.sources.containers.tars import COMPRESSION_ERRORS, looks_like_tar, open_compressed
from fer_core.data.sources.contents import choose
from fer_core.data.sources.layouts.takes import MANIFEST
from fer_core.data.sources.photographs import CropChoice, read_with_crop
from fer_core.data.sources.tables.face_csv import find_columns, missing_columns, read_csv
from fer_core.data.sources.tables.npz import is_npz, read_npz
from fer_core.data.sources.tables.parquet import MAGIC, read_parquet
from fer_core.data.sources.vote_files import VoteFile, find_votes_inside, votes_inside
from fer_core.errors import DataError
from fer_core.formatting import display_safe
from fer_core.images import looks_like_image

ACCEPTED: Final = (
    "a folder or archive (zip, tar) with one folder per class or in a known layout, FER2013 as zip or csv, a parquet "
    "or npz file, or the word synthetic"
)
"""The accepted forms of a source, for messages and help."""

_START: Final = 4096
_OTHER_FORMATS: Final = (
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it, and give the folder."),
    (b"Rar!", "a RAR archive", "Unpack it, and give the folder."),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it, and give the folder."),
    (b"\x04\x22\x4d\x18", "an lz4 archive", "Unpack it, and give the folder."),
    (b"\x1f\x9d", "a Unix compress (.Z) archive", "Unpack it, and give the folder."),
    (b"MSCF", "a Windows cabinet archive", "Unpack it, and give the folder."),
    (b"\x93NUMPY", "a single NumPy array without labels", "Save images and labels together as .npz."),
    (b"\x89HDF", "an HDF5 file", "Save images and labels as .npz, or as a folder per class."),
    (b"MATLAB", "a MATLAB file", "Save images and labels as .npz, or as a folder per class."),
    (b"SQLite format 3", "an SQLite database", "Save the faces as a folder per class."),
    (b"%PDF", "a PDF document", "Save the faces as a folder per class."),
    (b"\x80\x02", "a Python pickle, which could run code", "Save images and labels as .npz."),
    (b"\x80\x03", "a Python pickle, which could run code", "Save images and labels as .npz."),
    (b"\x80\x04", "a Python pickle, which could run code", "Save images and labels as .npz."),
    (b"\x80\x05", "a Python pickle, which could run code", "Save images and labels as .npz."),
)
_SPREADSHEETS: Final = ("xl/workbook.xml", "content.xml")


@dataclass(frozen=True)
class ReadOptions:
    """How a source is read.

    Attributes:
        classes: how names become classes.
        crop: what to do with photographs.
        on_progress: called with (done, total).
    """

    classes: ClassReading
    crop: CropChoice
    on_progress: Progress | None


@dataclass(frozen=True)
class Contents:
    """Where the faces of a source come from, before they are read.

    Attributes:
        key: identifies the content, for the cache; None for takes of a person, of which no second copy is kept.
        read: reads the faces, and the votes inside the source.
    """

    key: str | None
    read: Callable[[], tuple[Parsed, Sequence[VoteFile]]]


@dataclass(frozen=True)
class FileFormat:
    """A format of sources.

    Attributes:
        kind: its name.
        matches: whether a file with these first bytes has the format.
        open: returns the contents of a file.
    """

    kind: str
    matches: Callable[[Path, bytes], bool]
    open: Callable[[Path, ReadOptions], Contents]


def recognize(path: Path) -> FileFormat:
    """Return the format of a source, judging by its content.

    Raises:
        DataError: nothing is there, or nothing that can be read.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return FOLDER
        if not stat.S_ISREG(mode):
            raise DataError(f"{path} is neither a file nor a folder. Give {ACCEPTED}.")
        with open(path, "rb") as file:
            start = file.read(_START)
    except FileNotFoundError as error:
        raise DataError(f"Nothing found at '{display_safe(path)}'. Give {ACCEPTED}.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"'{display_safe(path)}' cannot be read ({reason}). Give {ACCEPTED}.") from error
    if not start:
        raise DataError(f"{path.name} is empty. Give {ACCEPTED}.")
    for known in FORMATS:
        if known.matches(path, start):
            return known
    raise _not_a_data_set(path, start)


def _not_a_data_set(path: Path, start: bytes) -> DataError:
    """Say what a file is that has none of the formats."""
    for magic, what, advice in _OTHER_FORMATS:
        if start.startswith(magic):
            return DataError(f"{path.name} is {what}, which cannot be read. {advice}")
    if looks_like_image(start):
        return DataError(f"{path.name} is a single image, not a data set. Give {ACCEPTED}.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return DataError(f"{path.name} is text in UTF-16. Save it as csv in UTF-8.")
    header = _first_line(start)
    if b"\0" in start or "\ufffd" in header:
        return DataError(f"{path.name} has an unknown format. Give {ACCEPTED}.")
    return missing_columns(path.name, header)


def _first_line(start: bytes) -> str:
    return start.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip("\r")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_zip(path: Path, start: bytes) -> bool:
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _is_csv(path: Path, start: bytes) -> bool:
    return find_columns(_first_line(start)) is not None


def _is_tar(path: Path, start: bytes) -> bool:
    return looks_like_tar(start) or looks_like_tar(_decompressed_start(path))


def _is_compressed_csv(path: Path, start: bytes) -> bool:
    inside = _decompressed_start(path)
    if not inside:
        return False
    if _is_csv(path, inside):
        return True
    raise DataError(
        f"{path.name} is compressed, and its content is neither a tar archive nor a csv of faces. Unpack it, and give "
        "what is inside."
    )


def _decompressed_start(path: Path) -> bytes:
    """Return the first bytes of a file compressed by gzip, bzip2 or xz; empty for other files.

    Raises:
        DataError: the file is damaged.
    """
    stream = open_compressed(path)
    if stream is None:
        return b""
    try:
        with stream:
            return stream.read(_START)
    except COMPRESSION_ERRORS as error:
        raise DataError(
            f"{path.name} is a compressed file that is damaged or truncated. Download or copy it again."
        ) from error


def _open_folder(path: Path, options: ReadOptions) -> Contents:
    folder = Folder(path)
    chosen = choose(folder, f"The folder {display_safe(path)}", options.classes)
    if MANIFEST in folder.files:
        return Contents(None, lambda: (chosen.read(folder, options.on_progress, "none"), ()))
    own_votes = find_votes_inside(folder)
    others = [name for name in folder.files if name.lower().endswith((".csv", ".txt"))]  # may hold labels or splits
    key = folder.content_key([*chosen.names, *others, *([own_votes] if own_votes else [])])
    return Contents(key, lambda: (chosen.read(folder, options.on_progress, options.crop), votes_inside(folder)))


def _read_container(container: Container, path: Path, options: ReadOptions) -> tuple[Parsed, Sequence[VoteFile]]:
    chosen = choose(container, path.name, options.classes)
    return chosen.read(container, options.on_progress, options.crop), votes_inside(container)


def _open_zip(path: Path, options: ReadOptions) -> Contents:
    def read() -> tuple[Parsed, Sequence[VoteFile]]:
        with open_zip(path) as archive:
            if sheet := next((name for name in _SPREADSHEETS if name in archive.files), None):
                what = "an Excel workbook" if sheet.startswith("xl/") else "an OpenDocument file"
                raise DataError(f"{path.name} is {what}, not a zip of images. Save the sheet as csv in UTF-8.")
            return _read_container(archive, path, options)

    return Contents(None if zip_names(path, MANIFEST) else zip_content_key(path), read)


def _open_tar(path: Path, options: ReadOptions) -> Contents:
    def read() -> tuple[Parsed, Sequence[VoteFile]]:
        with open_tar(path) as archive:
            return _read_container(archive, path, options)

    return Contents(_sha256(path), read)


def _open_npz(path: Path, options: ReadOptions) -> Contents:
    return Contents(_sha256(path), lambda: (read_npz(path, options.classes, options.on_progress, options.crop), ()))


def _open_parquet(path: Path, options: ReadOptions) -> Contents:
    def opened() -> IO[bytes]:
        return open(path, "rb")

    def read() -> tuple[Parsed, Sequence[VoteFile]]:
        files = [(path.name, opened)]
        return read_with_crop(
            options.crop,
            path.name,
            lambda decode: read_parquet(files, path.name, options.classes, options.on_progress, decode),
        ), ()

    return Contents(_sha256(path), read)


def _open_csv(path: Path, options: ReadOptions) -> Contents:
    def stream() -> IO[bytes]:
        return open_compressed(path) or open(path, "rb")

    def read() -> tuple[Parsed, Sequence[VoteFile]]:
        try:
            size = path.stat().st_size
            return read_csv(stream, size, path.name, options.on_progress, options.classes), ()
        except COMPRESSION_ERRORS as error:
            if open_compressed(path) is None:
                raise
            raise DataError(
                f"{path.name} is a compressed file that is damaged or truncated. Download or copy it again."
            ) from error

    return Contents(_sha256(path), read)


FOLDER: Final = FileFormat("folder", lambda path, start: False, _open_folder)
FORMATS: Final[tuple[FileFormat, ...]] = (
    FileFormat("npz", lambda path, start: _is_zip(path, start) and is_npz(path, start), _open_npz),
    FileFormat("zip", _is_zip, _open_zip),
    FileFormat("parquet", lambda path, start: start.startswith(MAGIC), _open_parquet),
    FileFormat("tar", _is_tar, _open_tar),
    FileFormat("csv", _is_csv, _open_csv),
    FileFormat("compressed csv", _is_compressed_csv, _open_csv),
)
"""All file formats, in the order in which they are tried."""
