"""Container: named files that can be read, whether they are in a folder, a zip or a tar archive."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final, Protocol

from fer_core.data.parsed import MAX_ID
from fer_core.errors import DataError
from fer_core.formatting import display_safe
from fer_core.images.walk import Skipped, is_system_file

MAX_FILES: Final = 1_000_000
"""Maximum number of files in a container."""
MAX_EXPANSION: Final = 100
"""An archive is refused as a bomb if its content is larger than ``SMALL`` and this many times its own size. Images do
not shrink, and the pixels of a csv shrink to a third."""
SMALL: Final = 64 * 2**20


class Container(Protocol):
    """Files by name; names are relative, with ``/`` between their parts."""

    files: dict[str, int]
    """Size in bytes of each readable file, by name; without system files."""
    skipped: tuple[Skipped, ...]
    """Files and folders that are not read: hidden ones, links, special files."""

    def read(self, name: str, limit: int) -> bytes:
        """Read a file.

        Raises:
            UnreadableFile: it cannot be read, or is longer than ``limit`` bytes.
        """

    def open(self, name: str) -> IO[bytes]:
        """Open a file as a stream."""


def check_name_length(where: str, name: str) -> None:
    """Refuse a container with an overlong file name.

    Raises:
        DataError: the name has more than ``MAX_ID`` characters.
    """
    if len(name) > MAX_ID:
        raise DataError(
            f"{where} has a file name of {len(name):,} characters ({display_safe(name[:40])}…); "
            f"the maximum is {MAX_ID}. Rename it."
        )


def skipped_in_archive(name: str) -> Skipped | None:
    """Return what a hidden file of an archive is skipped as (the outermost hidden folder, or itself); None if visible."""
    parts = name.split("/")
    at = next((i for i, part in enumerate(parts) if part.startswith(".")), None)
    if at is None or is_system(name):
        return None
    if at == len(parts) - 1:
        return Skipped(name, "hidden files")
    return Skipped("/".join(parts[: at + 1]), "hidden folders")


def is_system(name: str) -> bool:
    """Whether a file of an archive, or a folder above it, belongs to the operating system."""
    return any(is_system_file(part) for part in name.split("/"))


def check_inner_name(archive: Path, name: str) -> None:
    """Refuse an archive with a name that leads outside.

    Raises:
        DataError: the name is absolute or contains ``..``.
    """
    if name.startswith("/") or ".." in name.split("/") or (len(name) > 1 and name[1] == ":"):
        raise DataError(
            f"{archive.name} is refused: the name '{display_safe(name[:80])}' leads outside the archive, which no data "
            "set needs. Download the file again from a source you trust."
        )


def check_expansion(archive: str, what: str, declared: int, compressed: int) -> None:
    """Refuse an archive whose content is suspiciously large.

    Raises:
        DataError: ``declared`` bytes are more than ``SMALL`` and ``MAX_EXPANSION`` times ``compressed``.
    """
    if declared > SMALL and declared > MAX_EXPANSION * max(compressed, 1):
        raise DataError(
            f"{archive} is refused as an archive bomb: {what} would unpack from {compressed / 2**20:,.1f} MB to "
            f"{declared / 2**20:,.0f} MB. Download the file again from a source you trust."
        )
