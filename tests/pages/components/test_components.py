"""Every component has its script and style as files beside it, and the scripts can be read."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pages.ui.components.files import read
from tests.paths import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "pages" / "ui" / "components"
COMPONENTS = sorted(path.parent for path in FOLDER.glob("*/__init__.py"))
SCRIPTS = sorted(FOLDER.glob("*/*.js"))


@pytest.mark.parametrize("folder", COMPONENTS, ids=lambda folder: folder.name)
def test_a_component_has_its_script_and_style_beside_it(folder):
    package = str(folder / "__init__.py")
    assert "export default function" in read(package, f"{folder.name}.js")
    assert ".fer-" in read(package, f"{folder.name}.css")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_can_be_read_by_a_browser(script, tmp_path):
    module = tmp_path / "script.mjs"  # read as a module, as Streamlit loads it
    shutil.copy(script, module)
    found = subprocess.run(["node", "--check", str(module)], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr


def test_no_script_or_style_is_left_in_python():
    for path in (PROJECT_ROOT / "pages").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "export default function" not in text, path
        assert "document.createElement" not in text, path
