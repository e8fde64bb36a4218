"""Finds files by the last parts of their names."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from fer_core.data.parsed import face_id


class FilesByName:
    """Finds names by their last parts: ``b/c.png`` and ``c.png`` match ``a/b/c.png``."""

    def __init__(self, names: Iterable[str]) -> None:
        """Index the names."""
        self.names = list(names)
        self._keys = [unicodedata.normalize("NFC", face_id(name)) for name in self.names]
        self._exact = {key: i for i, key in enumerate(self._keys)}
        self._ends: dict[str, list[int]] = defaultdict(list)
        for i, key in enumerate(self._keys):
            self._ends[key.rpartition("/")[2]].append(i)

    def find(self, name: str) -> list[int]:
        """Return the positions of all names that ``name`` matches."""
        key = unicodedata.normalize("NFC", face_id(name.replace("\\", "/").removeprefix("./")))
        if key in self._exact:
            return [self._exact[key]]
        return [i for i in self._ends.get(key.rpartition("/")[2], []) if self._keys[i].endswith("/" + key)]
