"""What the first versions wrote still opens: runs, marks, checkpoints of record version 1, kept in ``tests/data_v1``."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fer_core.data.marks import marks_for, positions
from fer_core.evaluation import Predictions
from fer_core.inference import Classifier, read_info
from fer_core.training import list_runs, open_run
from fer_core.training.trainer import train
from fer_core.workspace import Workspace
from tests.factories import make_dataset
from tests.paths import PROJECT_ROOT

DATASET = make_dataset(train=70, valid=35, test=35)


@pytest.fixture
def old(tmp_path) -> Workspace:
    shutil.copytree(PROJECT_ROOT / "tests" / "data_v1", tmp_path / "old")
    return Workspace(tmp_path / "old")


def test_runs_are_listed_with_their_states_and_figures(old):
    runs = {run.label.name: run for run in list_runs(old)}
    assert {name: run.state for name, run in runs.items()} == {"An old run": "stopped", "An old finished run": "finished"}  # fmt: skip
    stopped = runs["An old run"]
    assert (stopped.config.model, stopped.config.epochs, stopped.status.epoch) == ("compact", 3, 2)
    assert [record.epoch for record in stopped.records()] == [1, 2]
    assert stopped.environment()["threads"] == 1
    assert stopped.log_tail()[0].startswith("Epoch: 1, train Loss:")
    assert stopped.best() is not None


def test_a_stopped_run_is_resumed(old):
    run = open_run("An old run", old)
    result = train(run.config, run=run, dataset=DATASET, workspace=old)
    assert result.state == "finished"
    assert [record.epoch for record in run.records()] == [1, 2, 3]


def test_weights_give_the_logits_they_gave_then(old):
    run = open_run("An old finished run", old)
    kept = Predictions.read(run.path / "predictions-test.npz")
    assert kept.ids.tolist() == DATASET.ids[DATASET.indices("test")].tolist()
    classifier = Classifier.load(run.path / "best.safetensors")
    logits = classifier.logits(DATASET.images[DATASET.indices("test")])
    np.testing.assert_allclose(logits, kept.logits, atol=1e-4)
    info = read_info(run.path / "best.safetensors")
    assert info.temperature == pytest.approx(kept.temperature)
    assert info.metrics["valid"]["n"] == 35


def test_marks_are_applied(old):
    current = marks_for(DATASET, old).current()
    found = positions(DATASET, current)
    assert sorted(found) == [0, 1, 2, 5]
    assert {mark.label for mark in current.values()} == {"sad", None}
