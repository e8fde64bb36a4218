from __future__ import annotations

from pathlib import Path

import pytest

from fer_core.data import FaceDataset, load
from fer_core.workspace import Workspace


@pytest.fixture(scope="session")
def fer2013(fer2013_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceDataset:
    """The real FER2013, read once for all tests."""
    return load(fer2013_zip, workspace=Workspace(tmp_path_factory.mktemp("fer2013")))
