"""Foreign text in Markdown, and names of data sources, folders, runs and models as the pages show them."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

from fer_core.formatting import display_safe

_CODE = re.compile(
    r":([A-Za-z+-][\w+-]*|material/\w+):"
)  # of an emoji or icon; a backslash does not keep it from being drawn
_DIRECTIVE = re.compile(r":(?=[^\W\d_])")  # ``:word`` is left out of a text as an unknown directive
_JOINER = "\u2060"  # takes no place and allows no break
_LIST = re.compile(r"^(\d*)([-.)])")  # what would begin a list
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~<>$&])")


def plain(text: object) -> str:
    """``text`` so that Streamlit's Markdown shows it and interprets nothing in it (names of files, runs, classes, errors)."""
    line = _CODE.sub(lambda found: f":{_JOINER}{found[1]}:", " ".join(str(text).split()))
    return _LIST.sub(r"\1\\\2", _DIRECTIVE.sub(r"\:", _MARKDOWN.sub(r"\\\1", line)))


def is_built_in(source: str) -> bool:
    """Whether a data source is the drawn faces: ``synthetic``, or ``synthetic:700`` for 700 of them."""
    return source.partition(":")[0].strip().lower() == "synthetic"


def source_name(source: str) -> str:
    """What people call a data source: ``Built-in faces``, or the last part of a path. Not escaped."""
    if not is_built_in(source):
        return Path(source).name or source
    number = source.partition(":")[2]
    return f"Built-in faces ({int(number):,})" if number.isdecimal() else "Built-in faces"


def folder_name(folder: Path) -> str:
    """An absolute path as people write it: ``~`` for the home folder, nothing invisible in it. Not escaped."""
    with suppress(RuntimeError, ValueError):  # no home folder is known, or the folder lies elsewhere
        folder = Path("~") / folder.relative_to(Path.home().resolve())
    return display_safe(folder)


def distinct(names: dict[str, str]) -> dict[str, str]:
    """Names of runs and models, with the end of the id where two are the same: a choice box tells its choices apart by their words."""
    often = Counter(names.values())
    return {key: name if often[name] == 1 else f"{name} ({key[-4:]})" for key, name in names.items()}
