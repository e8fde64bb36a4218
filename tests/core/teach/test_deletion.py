"""Delete everything about me."""

import numpy as np
import pytest

from fer_core.config import TrainConfig
from fer_core.errors import ModelError, RunError, WorkspaceError
from fer_core.inference import Classifier
from fer_core.store import Store
from fer_core.teach import TakeStore, delete_everything, delete_takes, delete_taught, list_taught, takes, teach
from fer_core.training.runs import Status, create_run, list_runs
from fer_core.workspace import write_json
from tests.teach_factory import fill


def test_faces_features_models_and_trainings_are_deleted_and_counted(workspace):
    store = fill(workspace, classes=("happy", "surprise"), takes=2, frames=4)
    fill(workspace, "other", classes=("sad", "angry"), takes=1, frames=3)
    store.delete_face(store.takes()[0], 0)
    teach(store, Classifier.load("seed", workspace=workspace), workspace)
    Store(workspace).put("data", "somebody's", {"x": np.zeros(2)})
    Store(workspace).put("features", "of takes as a data set", {"x": np.zeros(2)})
    run = create_run(TrainConfig(data=str(store.path)), "own", workspace=workspace)
    write_json(run.path / "status.json", Status(state="finished").to_dict())
    create_run(TrainConfig(data="synthetic"), "not mine", workspace=workspace)
    removed = delete_everything(workspace)
    assert (removed.faces, removed.takes, removed.models, removed.runs) == (4 * 4 + 2 * 3, 6, 1, 1)
    assert removed.features == 4
    assert "22 faces in 6 takes" in removed.sentence
    assert not workspace.takes.exists()
    assert not workspace.taught.exists()
    assert list_taught(workspace) == ()
    assert [run.label.name for run in list_runs(workspace)] == ["not mine"]
    assert Store(workspace).size().kinds.keys() == {"data"}
    with pytest.raises(ModelError, match="no model 'mine'"):
        Classifier.load("mine", workspace=workspace)
    assert delete_everything(workspace).to_dict() == {"faces": 0, "takes": 0, "features": 0, "models": 0, "runs": 0}


def test_damaged_and_unfinished_folders_are_deleted_too(workspace):
    store = fill(workspace, classes=("happy", "surprise"), takes=1, frames=2)
    (store.path / "takes.json").write_text("damaged")
    (workspace.taught / "half").mkdir(parents=True)
    (workspace.taught / "half" / "model.onnx").write_bytes(b"half")
    removed = delete_everything(workspace)
    assert (removed.faces, removed.takes, removed.models) == (4, 2, 0)
    assert not workspace.takes.exists()
    assert not workspace.taught.exists()


def test_a_running_training_on_takes_stops_the_deletion(workspace):
    store = fill(workspace, classes=("happy", "surprise"), takes=1, frames=2)
    run = create_run(TrainConfig(data=str(store.path)), "own", workspace=workspace)
    with run.hold("The run"), pytest.raises(RunError, match=r"is training\. Stop it"):
        delete_everything(workspace)
    assert store.exists


def test_takes_and_model_can_be_deleted_apart(workspace):
    store = fill(workspace, classes=("happy", "surprise"), takes=1, frames=3)
    teach(store, Classifier.load("seed", workspace=workspace), workspace)
    delete_takes(store)
    assert not store.exists
    assert not store.path.exists()
    assert [one.name for one in list_taught(workspace)] == ["mine"]
    delete_taught("mine", workspace)
    assert list_taught(workspace) == ()
    assert TakeStore(workspace, "mine").takes() == ()


def test_a_window_that_records_at_that_moment_is_waited_for_and_named(workspace, monkeypatch):
    store = fill(workspace, classes=("happy", "surprise"), takes=1, frames=2)
    monkeypatch.setattr(takes, "_LOCK_SECONDS", 0.1)
    with store.locked(), pytest.raises(WorkspaceError, match="Another window is changing 'mine'"):
        delete_everything(workspace)
    assert len(store.takes()) == 2
