"""Texts and names use the field's terms: phrases and names that were replaced do not come back.

CONTRIBUTING.md states the rule. The lists hold what a reader stumbled over before, not everything one could write badly.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import PROJECT_ROOT

PHRASES = (
    "rightly seen as", "taken for", "pixels it went by", "how far to trust that", "put right", "wait to be read",
    "cause is mended", "without saying so", "may stay empty", "broken faces", "many better", "marks taken back",
    "also stand in", "pixel for pixel", "bringing it in first", "at rest the network", "stood still", "begin anew",
    "way from the camera", "forget the earlier", "how often every training face", "most faces", "are untouched",
    "the label says", "the model says", "share of label", "share of answer", "too sure of itself", "too modest",
    "at its word", "people followed", "age of the picture", "steadiness", "teachers' share", "teachers' views",
    "weight average", "calibrate to me", "to be believed", "climbing to the pattern", "identity of this data",
    "new random weights", "defect of this program", "defect of ours", "leave out faces that cannot be read",
)  # fmt: skip
"""Phrases that were replaced, in lower case."""

WORDS = re.compile(
    r"\b(rooms?|doors?|whom|grey|colours?|normalis\w+|neighbours?|behaviours?|centres?)\b", re.IGNORECASE
)
"""House words, and British spelling."""

NAMES = frozenset(
    [
        "calm",
        "show_complaint",
        "complain",
        "Looked",
        "look",
        "look_at",
        "Belief",
        "examine",
        "Material",
        "gather",
        "paper",
        "apart",
        "run_apart",
        "keep",
        "forget",
        "share_processor",
        "CapturedStep",
        "settle",
        "repair",
        "only_of_this_page",
        "at_hand",
        "some_faces",
        "not_for",
        "shown",
        "Rates",
        "Meter",
    ]
)
"""Names of functions, classes and methods that were replaced."""

CODE = sorted([*PROJECT_ROOT.glob("fer_core/**/*.py"), *PROJECT_ROOT.glob("pages/**/*.py"), PROJECT_ROOT / "app.py"])
OTHER = sorted(
    path
    for pattern in ("fer_core/**/*.html", "pages/**/*.js", "docs/*.md", "assets/**/*.md", "*.md", ".github/**/*.md")
    for path in PROJECT_ROOT.glob(pattern)
    if path.name != "LICENSES.md"  # the words of others
)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every string of a Python file, docstrings and parts of f-strings included; else the whole file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def faults(path: Path) -> list[str]:
    """What should be written differently in a file."""
    found = []
    for line, text in texts(path):
        plain = " ".join(text.lower().split())
        found += [f"{path.name}:{line}: '{phrase}'" for phrase in PHRASES if phrase in plain]
        found += [f"{path.name}:{line}: '{match.group()}'" for match in WORDS.finditer(text)]
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in NAMES:
                found.append(f"{path.name}:{node.lineno}: the name '{node.name}'")
    return found


@pytest.mark.parametrize("path", [*CODE, *OTHER], ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_texts_use_the_fields_terms(path: Path):
    assert faults(path) == []


def test_a_replaced_phrase_a_house_word_and_a_replaced_name_are_found(tmp_path: Path):
    path = tmp_path / "page.py"
    path.write_text('def calm():\n    """One room, in grey."""\n    return f"Happy is TAKEN\\nfor {1}"\n')
    assert len(faults(path)) == 4
