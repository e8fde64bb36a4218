"""Numbers and foreign text as people read them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~<>$&])")


def plain(text: object) -> str:
    """``text`` so that Streamlit's Markdown shows it and interprets nothing in it (names of files, runs, errors)."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def is_built_in(source: str) -> bool:
    """Whether a data source is the drawn faces: ``synthetic``, or ``synthetic:700`` for 700 of them."""
    return source.partition(":")[0].strip().lower() == "synthetic"


def source_name(source: str) -> str:
    """What people call a data source: ``Built-in faces``, or the last part of a path. Not escaped."""
    if not is_built_in(source):
        return Path(source).name or source
    number = source.partition(":")[2]
    return f"Built-in faces ({int(number):,})" if number.isdecimal() else "Built-in faces"


def percent(share: float, digits: int = 1) -> str:
    """``0.6213`` -> ``62.1 %``."""
    return f"{100 * share:.{digits}f} %"


def percent_with_interval(share: float, interval: Sequence[float] | None, digits: int = 1) -> str:
    """``62.1 % (60.5–63.7)``: an accuracy with its 95 % interval, where it is known."""
    if interval is None:
        return percent(share, digits)
    low, high = interval
    return f"{percent(share, digits)} ({100 * low:.{digits}f}–{100 * high:.{digits}f})"


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


def distinct(names: dict[str, str]) -> dict[str, str]:
    """Names of runs and models, with the end of the id where two are the same: a choice box tells its choices apart by their words."""
    often = Counter(names.values())
    return {key: name if often[name] == 1 else f"{name} ({key[-4:]})" for key, name in names.items()}
