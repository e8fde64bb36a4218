"""Escape text for Markdown; display names of data sources, folders, runs and models."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

from fer_core.formatting import display_safe
from pages.ui.shell.identity import without_paths

_CODE = re.compile(r":([A-Za-z+-][\w+-]*|material/\w+):")  # of an emoji or icon; a backslash does not escape it
_DIRECTIVE = re.compile(r":(?=[^\W\d_])")  # Streamlit drops ``:word`` as an unknown directive
_JOINER = "\u2060"  # word joiner: invisible, no line break
_LIST = re.compile(r"^(\d*)([-.)])")  # would start a list
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~<>$&])")


def plain(text: object) -> str:
    """Escape text from outside (names of files, runs and classes, error messages) for Streamlit's Markdown.

    On a shared server the text does not show in which folders files are.
    """
    line = _CODE.sub(lambda found: f":{_JOINER}{found[1]}:", " ".join(without_paths(str(text)).split()))
    return _LIST.sub(r"\1\\\2", _DIRECTIVE.sub(r"\:", _MARKDOWN.sub(r"\\\1", line)))


def is_built_in(source: str) -> bool:
    """Whether a data source is the built-in one: ``synthetic``, or ``synthetic:700`` for 700 faces."""
    return source.partition(":")[0].strip().lower() == "synthetic"


def source_name(source: str) -> str:
    """Display name of a data source: ``Built-in faces``, or the last part of a path. Not escaped."""
    if not is_built_in(source):
        return Path(source).name or source
    number = source.partition(":")[2]
    return f"Built-in faces ({int(number):,})" if number.isdecimal() else "Built-in faces"


def folder_name(folder: Path) -> str:
    """An absolute path with ``~`` for the home folder and invisible characters made visible. Not escaped."""
    with suppress(RuntimeError, ValueError):  # no home folder, or a path outside it
        folder = Path("~") / folder.relative_to(Path.home().resolve())
    return display_safe(folder)


def distinct(names: dict[str, str]) -> dict[str, str]:
    """Make display names unique by appending the end of the id to equal ones: a select box needs distinct labels."""
    often = Counter(names.values())
    return {key: name if often[name] == 1 else f"{name} ({key[-4:]})" for key, name in names.items()}
