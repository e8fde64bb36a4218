"""The structure of the pages: who may import whom, who touches the session, how large a file and a folder may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.paths import PROJECT_ROOT

SHARED = {
    "shell": {"shell"},
    "components": {"components", "shell"},
    "model": {"model", "shell"},
    "live": {"live", "model", "components", "shell"},
    "review": {"review", "components", "shell"},
}
"""What the folders of pages/ui that pages share may import; a page's own folder may import these and itself."""

SESSION = Path("pages/ui/shell/session.py")
IDENTITY = Path("pages/ui/shell/identity/__init__.py")
MOST_FILES = 12
MOST_LINES = 500
CROWDED = ["fer_core", "pages"]
"""Trees whose folders and files are measured."""
LONG_FOR_A_REASON = {"fer_core/data/synthetic/drawing.py"}


def source_files(root: Path, tree: str) -> list[Path]:
    return sorted((root / tree).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(root: Path, path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, wherever in it: at the top, in a function, for types."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                inner = root.joinpath(*module.split("."), alias.name)
                is_module = inner.with_suffix(".py").is_file() or (inner / "__init__.py").is_file()
                yield f"{module}.{alias.name}" if is_module else module


def folder_of(module: str) -> str:
    """``shell`` of ``pages.ui.shell.session``."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 else ""


def wrong_imports(root: Path) -> list[str]:
    """Imports against the order: page -> review, live -> model, components -> shell -> fer_core."""
    wrong = []
    for path in source_files(root, "pages"):
        file = path.relative_to(root)
        in_ui = file.parts[1] == "ui"
        folder = file.parts[2] if in_ui else ""
        for module in imports(root, path):
            first = module.split(".")[0]
            if first == "app" or (first == "pages" and not module.startswith("pages.ui.")):
                wrong.append(f"{file} imports {module}")
            elif first == "pages" and in_ui:
                allowed = SHARED.get(folder, {folder, *SHARED})
                if folder_of(module) not in allowed:
                    wrong.append(f"{file} imports {module}")
    return wrong


def circle(root: Path) -> list[str]:
    """The modules of an import circle in pages/ui, if there is one."""
    graph = {
        module_of(path.relative_to(root)): {m for m in imports(root, path) if m.startswith("pages.ui.")}
        for path in source_files(root, "pages/ui")
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def uses_of(root: Path, name: str, allowed: Path) -> list[str]:
    """Files under pages, other than the one that may, that use a name."""
    found = []
    for path in source_files(root, "pages"):
        nodes = ast.walk(ast.parse(path.read_text()))
        used = any(
            (isinstance(node, ast.Attribute) and ast.unparse(node).endswith(name))
            or (isinstance(node, ast.alias) and node.name == name)
            for node in nodes
        )
        if used and path.relative_to(root) != allowed:
            found.append(str(path.relative_to(root)))
    return found


def crowded(root: Path, tree: str) -> list[str]:
    """Folders with too many source files, and files with too many lines that are not empty."""
    files = source_files(root, tree)
    counts: dict[Path, int] = {}
    for path in files:
        counts[path.parent] = counts.get(path.parent, 0) + (path.name != "__init__.py")
    too_much = [f"{folder.relative_to(root)}: {n} files" for folder, n in counts.items() if n > MOST_FILES]
    for path in files:
        lines = sum(bool(line.strip()) for line in path.read_text().splitlines())
        if lines > MOST_LINES and str(path.relative_to(root)) not in LONG_FOR_A_REASON:
            too_much.append(f"{path.relative_to(root)}: {lines} lines")
    return too_much


def test_pages_import_downwards_only_and_never_each_other():
    assert wrong_imports(PROJECT_ROOT) == []


def test_there_is_no_import_circle():
    assert circle(PROJECT_ROOT) == []


def test_only_the_session_touches_streamlits_session_state():
    assert uses_of(PROJECT_ROOT, "session_state", SESSION) == []


def test_only_the_identity_asks_for_the_default_workspace():
    assert uses_of(PROJECT_ROOT, "Workspace.default", IDENTITY) == []


@pytest.mark.parametrize("tree", CROWDED)
def test_no_folder_is_crowded_and_no_file_too_long(tree):
    assert crowded(PROJECT_ROOT, tree) == []


# ---------------------------------------------------------------------------------- the rules fail when they are broken


@pytest.fixture
def tree(tmp_path):
    """A small app, with the files that are given written into it."""

    def written(files: dict[str, str]) -> Path:
        some = {
            "pages/evaluate.py": "import streamlit\nfrom pages.ui.evaluate import matrix\nfrom fer_core import classes\n",
            "pages/ui/evaluate/matrix.py": "from pages.ui.review.state import Marks\nfrom pages.ui.shell import session\n",
            "pages/ui/review/state.py": "from pages.ui.components.gallery import draw\nfrom pages.ui.shell import session\n",
            "pages/ui/components/gallery/__init__.py": "from pages.ui.shell.session import state_of\n",
            "pages/ui/shell/session.py": "st.session_state\n",
            "pages/ui/shell/identity/__init__.py": "Workspace.default()\n",
            "pages/ui/train/form.py": "",
        }
        for name, text in {**some, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return written


def test_a_tree_in_order_breaks_no_rule(tree):
    root = tree({})
    assert wrong_imports(root) == circle(root) == crowded(root, "pages") == []
    assert uses_of(root, "session_state", SESSION) == uses_of(root, "Workspace.default", IDENTITY) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pages/ui/evaluate/matrix.py", "from pages.ui.train.form import draw"),
        ("pages/ui/evaluate/matrix.py", "def late():\n    from pages.ui.train import form"),
        ("pages/ui/review/state.py", "from pages.ui.evaluate.matrix import Subject"),
        ("pages/ui/components/gallery/__init__.py", "import pages.ui.review.state"),
        ("pages/ui/components/gallery/__init__.py", "from pages.ui.train import form"),
        ("pages/ui/shell/session.py", "from pages.ui.components.gallery import draw"),
        ("pages/ui/shell/session.py", "from pages.ui.review import state"),
        ("pages/ui/shell/session.py", "import pages.ui.evaluate.matrix"),
        ("pages/ui/evaluate/matrix.py", "from pages import evaluate"),
        ("pages/train.py", "from pages.evaluate import subject"),
        ("pages/train.py", "import app"),
    ],
)
def test_an_import_against_the_order_is_found(tree, file, text):
    assert [found.split()[0] for found in wrong_imports(tree({file: text}))] == [file]


def test_a_circle_is_found_also_through_a_late_import(tree):
    root = tree(
        {
            "pages/ui/evaluate/matrix.py": "def late():\n    from pages.ui.evaluate import people",
            "pages/ui/evaluate/people.py": "from pages.ui.evaluate.matrix import wall",
        }
    )
    assert set(circle(root)) == {"pages.ui.evaluate.matrix", "pages.ui.evaluate.people"}


@pytest.mark.parametrize(
    "text", ["import streamlit as st\nst.session_state['x'] = 1", "from streamlit import session_state"]
)
def test_a_raw_touch_of_the_session_is_found(tree, text):
    assert uses_of(tree({"pages/ui/train/form.py": text}), "session_state", SESSION) == ["pages/ui/train/form.py"]


def test_a_call_for_the_default_workspace_is_found(tree):
    root = tree(dict.fromkeys(("pages/train.py", str(SESSION)), "folder = Workspace.default().runs"))
    assert uses_of(root, "Workspace.default", IDENTITY) == ["pages/train.py", str(SESSION)]


def test_a_crowded_folder_and_a_long_file_are_found(tree):
    root = tree({f"pages/ui/train/part_{n}.py": "" for n in range(MOST_FILES)})
    assert crowded(root, "pages") == [f"pages/ui/train: {MOST_FILES + 1} files"]
    (root / "pages/ui/train/part_0.py").unlink()
    (root / "pages/ui/train/form.py").write_text("x = 1\n\n" * (MOST_LINES + 1))
    assert crowded(root, "pages") == [f"pages/ui/train/form.py: {MOST_LINES + 1} lines"]
