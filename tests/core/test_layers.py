"""The dependency direction of DESIGN: a room imports only from lines below it, and the core knows no UI."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.paths import PROJECT_ROOT

CORE = PROJECT_ROOT / "fer_core"
LINES = [
    {"cli", "bench", "launcher", "__main__"},
    {"lessons", "report"},
    {"training", "explanation", "live"},
    {"evaluation", "charts", "annotate"},
    {"inference", "faces", "photos"},
    {"data", "models"},
    {"images", "store", "jobs"},
    {"preprocess", "config", "classes", "formatting", "workspace", "resources", "errors", "__init__"},
]
LEVEL = {room: level for level, rooms in enumerate(LINES) for room in rooms}
FILES = sorted(CORE.rglob("*.py"))


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
            if node.module == "fer_core":
                found += [f"fer_core.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(CORE)))
def test_a_room_imports_only_from_lines_below_it(path):
    own = room_of("fer_core." + ".".join(path.relative_to(CORE).with_suffix("").parts))
    assert own in LEVEL, f"{own} has no place in the layer order"
    for module in imports_of(path):
        if module.split(".")[0] in ("streamlit", "streamlit_webrtc", "pages"):
            raise AssertionError(f"{path.name} imports {module}: the core knows no user interface")
        if module.startswith("fer_core.") and not module.startswith("fer_core.__"):
            other = room_of(module)
            assert other in LEVEL or other == "__version__", f"{module} has no place in the layer order"
            # rooms on one line may use each other; config and its neighbours are one line
            assert LEVEL.get(other, 9) >= LEVEL[own], f"{path.relative_to(CORE)} imports {module} from a line above it"


def loaded_by(code: str) -> set[str]:
    script = f"import sys; {code}; print(' '.join(m for m in sys.modules if '.' not in m))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    )
    return set(result.stdout.split())


def test_importing_the_core_loads_nothing_heavy():
    assert not loaded_by("import fer_core") & {"torch", "cv2", "numpy", "streamlit", "plotly", "pydantic"}


def test_the_command_line_starts_without_heavy_libraries():
    assert not loaded_by("import fer_core.cli") & {"torch", "cv2", "streamlit", "plotly", "scipy", "pandas", "captum"}


def test_looking_at_runs_needs_no_torch():
    assert "torch" not in loaded_by("from fer_core.training import list_runs; import fer_core.training.background")
