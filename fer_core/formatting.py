"""Formats numbers, splits and external names as text for people."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

SPLIT_NAMES: Final[dict[str, str]] = {"train": "training", "valid": "validation", "honest": "leak-free", "test": "test"}
"""Split of a data set or run -> adjective, as in "validation faces"."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Spreadsheets treat text that starts with these as a formula (the apostrophe is the escape character)."""
CSV_ENCODING: Final = "utf-8-sig"
"""The encoding of CSV files for people: UTF-8 with a byte order mark, without which Excel garbles names such as 照片.jpg."""
_BIDI_CONTROLS: Final = frozenset(["LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"])


def percent(share: float, digits: int = 1) -> str:
    """Format ``0.6213`` as ``62.1%``."""
    return f"{100 * share:.{digits}f}%"


def percent_with_interval(share: float, interval: Sequence[float] | None, digits: int = 1) -> str:
    """Format an accuracy with its 95% interval, if known: ``62.1% (60.5–63.7)``."""
    if interval is None:
        return percent(share, digits)
    low, high = interval
    return f"{percent(share, digits)} ({100 * low:.{digits}f}–{100 * high:.{digits}f})"


def pasted_path(text: str) -> str:
    """Return the path in ``text`` as a person typed or pasted it: in quotes, as a ``file://`` address, with ``~``.

    All other text is returned unchanged but for spaces around it.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    if text.lower().startswith("file://"):
        address = urlsplit(text)
        text = url2pathname(address.path) if address.netloc in ("", "localhost") else text
    return os.path.expanduser(text) if text.startswith("~") else text


def csv_cell(text: str) -> str:
    """Escape ``text`` so that spreadsheets never run it as a formula; :func:`from_csv_cell` reverses this."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def from_csv_cell(text: str) -> str:
    """Reverse :func:`csv_cell`."""
    return text[1:] if text.startswith("'") else text


def duration(seconds: float) -> str:
    """Format ``75`` as ``1 min 15 s``; seconds are omitted from one hour on."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def joined(names: Sequence[str]) -> str:
    """Join names as ``a``, ``a and b`` or ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2,000 images``; ``many`` is the plural if it is not ``one`` and an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def capitalized(text: str) -> str:
    """Capitalize the first letter of ``text``."""
    return text[:1].upper() + text[1:]


def shortened(text: str, most: int) -> str:
    """Shorten ``text`` to ``most`` characters, with an ellipsis at the end."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def valid_utf8(path: str | Path) -> str:
    """Return a path as text that can be stored as UTF-8; undecodable bytes become ``\\udcff``."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def display_safe(path: str | Path) -> str:
    """Return a path that is safe to print: control characters and bidirectional controls are shown as codes."""

    def visible(c: str) -> str:
        unsafe = unicodedata.category(c) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(c) in _BIDI_CONTROLS
        return f"\\u{ord(c):04x}" if unsafe else c

    return "".join(map(visible, valid_utf8(path)))
