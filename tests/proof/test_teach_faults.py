"""A real disk that fills while own classes are recorded and taught, and a folder that cannot be written."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import numpy as np
import pytest

from fer_core.errors import WorkspaceError
from fer_core.inference import Classifier
from fer_core.teach import TakeStore, export_zip, import_zip, list_taught, teach
from fer_core.workspace import Workspace
from tests.proof.test_faults import disk
from tests.teach_factory import draw_take, fill

pytestmark = pytest.mark.slow


def faces(value: int) -> np.ndarray:
    return np.random.default_rng(value).integers(0, 256, (100, 48, 48)).astype(np.uint8)


def add_many(store: TakeStore) -> None:
    for value in range(50):
        store.add("happy", faces(value))


def test_takes_and_models_survive_a_full_disk_and_work_again_when_there_is_room(tmp_path):
    with disk(tmp_path / "small", "size=16m") as small:
        workspace, ballast = Workspace(small), small / "ballast"
        store = fill(workspace, classes=("happy", "surprise"), takes=2, frames=4)
        teach(store, Classifier.load("seed", workspace=workspace), workspace)
        content = export_zip(store)
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 12))
        before = store.takes()
        with pytest.raises(WorkspaceError, match="Free some space"):
            add_many(store)
        kept = store.takes()
        assert kept[: len(before[:2])] == before[:2]
        assert all(len(store.faces(take)) == take.faces for take in kept)
        with pytest.raises(WorkspaceError, match="Free some space"):
            import_zip(content, workspace, "other")
        assert not TakeStore(workspace, "other").exists
        with pytest.raises(WorkspaceError, match="Free some space"):
            teach(store, Classifier.load("seed", workspace=workspace), workspace)
        assert Classifier.load("mine", workspace=workspace).probabilities(draw_take("happy", 0, 1)).shape == (1, 2)
        ballast.unlink()
        store.add("happy", draw_take("happy", 5, 4))
        taught = teach(store, Classifier.load("seed", workspace=workspace), workspace)
        assert taught.takes == len(kept) + 1
        assert [one.name for one in list_taught(workspace)] == ["mine"]


def test_a_read_only_workspace_is_said(tmp_path):
    with disk(tmp_path / "fixed", "ro") as fixed, pytest.raises(WorkspaceError, match="FER_HOME"):
        TakeStore(Workspace(fixed), "mine").add("smile", faces(0))


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.6])
def test_a_window_killed_while_it_records_leaves_only_whole_takes(tmp_path, seconds):
    script = (
        "import sys, numpy as np; from pathlib import Path; from fer_core.teach import TakeStore;"
        "from fer_core.workspace import Workspace; s = TakeStore(Workspace(Path(sys.argv[1])), 'mine', ('a', 'b'));"
        "print('ready', flush=True)\n"
        "while True: s.add('a', np.random.default_rng(0).integers(0, 256, (30, 48, 48)).astype(np.uint8))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "w")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
    store = TakeStore(Workspace(tmp_path / "w"), "mine", ("a", "b"))
    assert all(store.faces(take).shape == (30, 48, 48) for take in store.takes())
    before = len(store.takes())
    store.add("b", faces(0))
    assert len(store.takes()) == before + 1
