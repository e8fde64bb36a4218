"""A folder as a container."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers import base
from fer_core.images.walk import Skipped, walk_folder


class Folder:
    """Files under a folder; linked folders are followed once, links to files only inside these folders."""

    files: dict[str, int]
    skipped: tuple[Skipped, ...]

    def __init__(self, path: Path) -> None:
        """List the files.

        Raises:
            DataError: the folder cannot be read, has too many files, or an overlong file name.
        """
        self.path = path
        found = walk_folder(path, base.MAX_FILES)
        for name in found.files:
            base.check_name_length(path.name, name)
        self.files, self.skipped = found.files, found.skipped

    def content_key(self, names: Iterable[str]) -> str:
        """Return the SHA-256 (hex) of the content of the files ``names`` and of all names and sizes."""
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
        digest.update(repr([(one.reason, os.fsencode(one.name)) for one in self.skipped]).encode())
        return digest.hexdigest()

    def read(self, name: str, limit: int) -> bytes:
        """See :class:`Container`."""
        try:
            with open(f"{self.path}/{name}", "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise UnreadableFile(f"cannot be read ({error.strerror})") from error
        if len(data) > limit:
            raise UnreadableFile(f"is larger than {limit // 2**20} MB")
        return data

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Container`."""
        return open(self.path / name, "rb")
