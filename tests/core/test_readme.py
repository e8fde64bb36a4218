"""The README's file tree and commands are those of the code. ``python -m tests.core.test_readme`` writes the tree anew."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fer_core.cli import main
from tests.paths import PROJECT_ROOT

README = PROJECT_ROOT / "README.md"
_BLOCK = re.compile(r"(?<=```\n)app\.py .*?(?=```)", re.DOTALL)
_COLUMN = 29


def sentence(path: Path) -> str:
    """The first sentence of a module's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(docstring.split("\n\n")[0].split()).replace("``", "")
    first = re.sub(r":\w+:`(?:[\w.]*\.)?(\w+)`", r"\1", first)  # :class:`FaceDataset` -> FaceDataset
    return re.split(r"(?<!et al)\.(?: |$)", first)[0]


def tree() -> str:
    """One line a file: folders before the files in them, files by name."""
    lines = [_line("", PROJECT_ROOT / "app.py")]
    for top in ("pages", "fer_core"):
        lines += _folder(PROJECT_ROOT / top, "")
    return "\n".join(lines) + "\n"


def _folder(folder: Path, indent: str) -> list[str]:
    inner = indent + "  "
    lines = [_line(indent, folder / "__init__.py", f"{folder.name}/")]
    lines += [_line(inner, path) for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    for child in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        lines += _folder(child, inner)
    return lines


def _line(indent: str, path: Path, name: str = "") -> str:
    name = indent + (name or path.name)
    return f"{name:<{_COLUMN}}{sentence(path)}" if len(name) < _COLUMN else f"{name} {sentence(path)}"


def test_the_file_tree_is_that_of_the_code():
    found = _BLOCK.search(README.read_text(encoding="utf-8"))
    assert found, "README.md has no file tree"
    assert found.group() == tree(), "run: python -m tests.core.test_readme"


def test_every_file_says_in_a_sentence_what_it_is():
    files = [*PROJECT_ROOT.glob("pages/**/*.py"), *PROJECT_ROOT.glob("fer_core/**/*.py")]
    assert [str(path) for path in files if not sentence(path)] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m fer_core ([a-z-]+)", README.read_text()))))
def test_every_command_of_the_readme_exists(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(_BLOCK.sub(lambda _: tree(), text, count=1), encoding="utf-8")
