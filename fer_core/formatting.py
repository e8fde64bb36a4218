"""Numbers, splits, and names from outside, as text for people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SPLIT_NAMES: Final[dict[str, str]] = {"train": "training", "valid": "validation", "honest": "honest", "test": "test"}
"""Name of a split in a data set or run -> the adjective in a sentence, as in "validation faces"."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Text that begins so is a formula to spreadsheet programs (the apostrophe guards it, and so needs guarding too)."""
_BIDI_CONTROLS: Final = frozenset(["LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"])


def percent(share: float, digits: int = 1) -> str:
    """``0.6213`` -> ``62.1%``."""
    return f"{100 * share:.{digits}f}%"


def percent_with_interval(share: float, interval: Sequence[float] | None, digits: int = 1) -> str:
    """``62.1% (60.5–63.7)``: an accuracy with its 95% interval, where it is known."""
    if interval is None:
        return percent(share, digits)
    low, high = interval
    return f"{percent(share, digits)} ({100 * low:.{digits}f}–{100 * high:.{digits}f})"


def csv_cell(text: str) -> str:
    """``text`` as a spreadsheet will show it and never run it; :func:`from_csv_cell` gives it back."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def from_csv_cell(text: str) -> str:
    """What :func:`csv_cell` was given."""
    return text[1:] if text.startswith("'") else text


def duration(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``; hours without seconds."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def joined(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def capitalized(text: str) -> str:
    """``text`` with a capital letter at its beginning; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def shortened(text: str, most: int) -> str:
    """``text`` with an ellipsis in place of its end where it has more than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def valid_utf8(path: str | Path) -> str:
    """A path as text that can always be stored as UTF-8: undecodable bytes of a name are written as ``\\udcff``."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def display_safe(path: str | Path) -> str:
    """A path that is safe to print: control characters and changes of writing direction are shown as their code."""

    def visible(c: str) -> str:
        unsafe = unicodedata.category(c) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(c) in _BIDI_CONTROLS
        return f"\\u{ord(c):04x}" if unsafe else c

    return "".join(map(visible, valid_utf8(path)))
