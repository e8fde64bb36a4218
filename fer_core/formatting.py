"""Names that come from outside, of files and folders, as they may be kept and shown: nothing in them steers a terminal."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Final

_TURNS_WRITING: Final = frozenset(["LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"])


def printable(path: str | Path) -> str:
    """A path as text that is always valid UTF-8: bytes of a name that are not are written as ``\\udcff``."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def shown(path: str | Path) -> str:
    """A path to be read by people on a terminal: what would steer it or turn the writing round is shown as its code."""

    def visible(c: str) -> str:
        steers = unicodedata.category(c) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(c) in _TURNS_WRITING
        return f"\\u{ord(c):04x}" if steers else c

    return "".join(map(visible, printable(path)))
