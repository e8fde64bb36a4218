"""The dependency direction of DESIGN: a package imports only from its own line and those below, and the core knows no UI."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.paths import PROJECT_ROOT

CORE = PROJECT_ROOT / "fer_core"
LINES = [
    {"cli", "bench", "cluster", "launcher", "serve", "__main__", "__init__"},
    {"lessons", "report"},
    {"training", "teach", "explanation", "live"},
    {"evaluation", "charts", "annotate"},
    {"photos"},
    {"inference"},
    {"data", "models"},
    {"faces"},
    {"images", "store", "jobs"},
    {"classes", "config", "presets", "errors", "formatting", "preprocess", "workspace", "resources"},
]
"""From the top down; packages on one line may use each other."""
LEVEL = {package: level for level, packages in enumerate(LINES) for package in packages}
FILES = sorted(path.relative_to(CORE) for path in CORE.rglob("*.py"))


def module_of(file: Path) -> str:
    """``fer_core.data`` of ``data/__init__.py``."""
    parts = ("fer_core", *file.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """``data`` of ``fer_core.data.sources``."""
    return module.split(".")[1] if "." in module else "__init__"


def imports(core: Path, file: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in it: at the top, in a function, for types."""
    for node in ast.walk(ast.parse((core / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            module = node.module or ""
            for alias in node.names:
                inner = core.parent.joinpath(*module.split("."), alias.name)
                is_module = inner.with_suffix(".py").is_file() or (inner / "__init__.py").is_file()
                yield f"{module}.{alias.name}" if is_module else module


def wrong_imports(core: Path, file: Path) -> list[str]:
    """Imports of a file that run up, lead to a user interface, or to a package without a place in the order."""
    level = LEVEL[package_of(module_of(file))]
    wrong = []
    for module in imports(core, file):
        first = module.split(".")[0]
        foreign = first in ("app", "pages", "streamlit", "streamlit_webrtc")
        if foreign or (first == "fer_core" and LEVEL.get(package_of(module), -1) < level):
            wrong.append(module)
    return wrong


def circle(core: Path) -> list[str]:
    """The modules of an import circle, if there is one."""
    files = [path.relative_to(core) for path in core.rglob("*.py")]
    graph = {module_of(file): {m for m in imports(core, file) if m.startswith("fer_core.")} for file in files}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_package_imports_only_from_its_own_line_and_those_below(file):
    assert wrong_imports(CORE, file) == []


def test_there_is_no_import_circle():
    assert circle(CORE) == []


@pytest.fixture
def core(tmp_path):
    """A small core, with the files that are given written into it."""

    def written(files: dict[str, str]) -> Path:
        some = {
            "__init__.py": "",
            "data/__init__.py": "from fer_core.faces import crop\n",
            "faces/__init__.py": "",
            "faces/crop.py": "import numpy\nfrom fer_core import classes\n",
            "classes.py": "",
            "evaluation/__init__.py": "from fer_core.charts import bars\n",
            "charts/bars.py": "from fer_core.data import FaceDataset\n",
        }
        for name, text in {**some, **files}.items():
            path = tmp_path / "fer_core" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "fer_core"

    return written


def test_a_core_in_order_breaks_no_rule(core):
    root = core({})
    assert [wrong_imports(root, path.relative_to(root)) for path in root.rglob("*.py")] == [[]] * 7
    assert circle(root) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("faces/crop.py", "from fer_core.data import FaceDataset"),
        ("faces/crop.py", "def late():\n    import fer_core.evaluation"),
        ("classes.py", "from fer_core import data"),
        ("charts/bars.py", "from fer_core.nowhere import x"),
        ("charts/bars.py", "import streamlit as st"),
        ("charts/bars.py", "from pages.ui.shell import charts"),
    ],
)
def test_an_import_against_the_order_is_found(core, file, text):
    assert len(wrong_imports(core({file: text}), Path(file))) == 1


def test_a_circle_is_found_also_through_a_late_import(core):
    root = core({"charts/bars.py": "def late():\n    from fer_core import evaluation\n"})
    assert set(circle(root)) == {"fer_core.evaluation", "fer_core.charts.bars"}


def loaded_by(code: str) -> set[str]:
    script = f"import sys; {code}; print(' '.join(m for m in sys.modules if '.' not in m))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    )
    return set(result.stdout.split())


def test_importing_the_core_loads_nothing_heavy():
    assert not loaded_by("import fer_core") & {"torch", "cv2", "numpy", "streamlit", "plotly", "pydantic"}


def test_every_name_of_the_package_loads_when_it_is_first_used():
    import fer_core

    assert [name for name in fer_core.__all__ if not callable(getattr(fer_core, name))] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fer_core.nothing


def test_the_command_line_starts_without_heavy_libraries():
    assert not loaded_by("import fer_core.cli") & {"torch", "cv2", "streamlit", "plotly", "scipy", "pandas", "captum"}


def test_looking_at_runs_needs_no_torch():
    assert "torch" not in loaded_by("from fer_core.training import list_runs; import fer_core.training.background")


def test_own_classes_load_heavy_libraries_only_when_they_are_used():
    loaded = loaded_by("import fer_core.teach")
    assert not loaded & {"torch", "cv2", "scipy", "sklearn", "onnx", "onnxruntime", "av", "cleanlab"}


def test_the_first_page_needs_no_torch():
    """It is imported in the background; whoever opens the app does not wait for it."""
    loaded = loaded_by(
        "import fer_core.charts, pages.ui.shell.sidebar, pages.ui.overview.cards, pages.ui.overview.introduction"
    )
    assert not loaded & {"torch", "cv2", "scipy", "captum"}
