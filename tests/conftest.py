"""Fixtures shared by all tests, and the rules for what runs by default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fer_core.data import FaceDataset, load
from fer_core.workspace import Workspace
from tests.paths import PROJECT_ROOT

SHARED = PROJECT_ROOT.parent / "shared"
FER2013_ZIP = SHARED / "data" / "fer2013.zip"

os.environ["FER_EXPORT_ONNX"] = "0"  # no test's model is exported behind it; the tests of that turn it on


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run everything: slow tests and browser tests as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow; give --slow to run it")
    for item in items:
        if item.get_closest_marker("slow") or item.get_closest_marker("browser"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Every test writes into a workspace of its own."""
    monkeypatch.setenv("FER_HOME", str(tmp_path / "workspace"))
    return Workspace.default()


@pytest.fixture(scope="session")
def fer2013_zip() -> Path:
    """The real FER2013 zip, where it lies beside the checkout."""
    if not FER2013_ZIP.is_file():
        pytest.skip("FER2013 is not beside this checkout (../shared/data/fer2013.zip)")
    return FER2013_ZIP


@pytest.fixture(scope="session")
def fer2013(fer2013_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceDataset:
    """The real FER2013, read once for all tests."""
    return load(fer2013_zip, workspace=Workspace(tmp_path_factory.mktemp("fer2013")))
