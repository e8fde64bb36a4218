"""What the processes of a training compare, and how a loss is explained."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from fer_core.data import make_split
from fer_core.errors import ConfigError, ModelError, TrainingError
from fer_core.models import build
from fer_core.training.device import Compute
from fer_core.training.distributed.launch import Launch
from fer_core.training.distributed.processes import Processes, compare
from fer_core.training.trainer import _loaded
from tests.factories import make_dataset, tiny_config, with_votes

ALONE = Launch(0, 1, 0, 4, 0, "127.0.0.1", 1, False, "", "")


def test_labels_votes_split_and_teachers_are_compared():
    dataset = with_votes(make_dataset())
    split = make_split(dataset, "official", 0.1, 0)
    relabeled = dataclasses.replace(dataset, labels=np.roll(dataset.labels, 1))
    torch.manual_seed(0)
    teacher, other = build("seed"), build("seed")
    found = _loaded(dataset, split, [teacher])
    assert found == _loaded(dataset, split, [teacher])
    assert found["data"] != _loaded(relabeled, split, [teacher])["data"]
    assert found["data"] != _loaded(dataclasses.replace(dataset, votes=dataset.votes + 1), split, [teacher])["data"]
    assert found["split"] != _loaded(dataset, make_split(dataset, "holdout", 0.2, 1), [teacher])["split"]
    assert found["teachers"] != _loaded(dataset, split, [other])["teachers"]


def prepared(**changes: dict[str, str]) -> dict[str, object]:
    return {
        "process": "process 1 on host-b", "version": {"torch": "2.13.0"}, "setting": {"epochs": "2"},
        "loaded": {"data": "1f"}, "device": {"device": "cpu", "precision": "float32"}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"version": {"torch": "2.12.0"}},
            r"host-a has torch 2\.13\.0, process 1 on host-b has 2\.12\.0\. .* same versions",
        ),
        ({"setting": {"epochs": "3"}}, r"host-a has epochs 2, process 1 on host-b has 3\. .* same command"),
        ({"loaded": {"data": "2e"}}, r"process 1 on host-b loaded other data than process 0 on host-a\. .* same files"),
        (
            {"device": {"device": "cuda", "precision": "float32"}},
            r"host-a has device cpu, process 1 on host-b has cuda\. .* device=cpu",
        ),
    ],
)
def test_processes_that_differ_are_refused_with_what_differs(changes, words):
    first = {**prepared(), "process": "process 0 on host-a"}
    compare([first, prepared()])
    with pytest.raises(TrainingError, match=words):
        compare([first, prepared(), prepared(**changes)])


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="torchrun started 4 processes, but this machine has 2 GPUs"):
        Processes(ALONE).begin(tiny_config(), Compute("cuda", "test", "float32", 1), {})


def test_parameters_without_gradients_are_explained():
    message = "your module has parameters that were not used in producing loss"
    with (
        pytest.raises(ModelError, match="parameters that do not affect its output"),
        Processes(ALONE).losses_explained(),
    ):
        raise RuntimeError(message)


def test_an_internal_error_stays_one():
    with pytest.raises(RuntimeError, match="gloo"), Processes(ALONE).losses_explained():
        raise RuntimeError("gloo")
