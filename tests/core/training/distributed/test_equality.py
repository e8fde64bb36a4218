"""Several processes compute what one computes."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest
import torch

from fer_core.training.distributed.group import Group
from tests.core.training.distributed.cases import CASES, run
from tests.paths import PROJECT_ROOT

pytestmark = pytest.mark.slow
alone = cache(lambda name: run(name, Group()))


@pytest.fixture(scope="module", params=[2, 3])
def processes(request, tmp_path_factory):
    """The results of every case in each of two or three processes."""
    folder, size = tmp_path_factory.mktemp("processes"), request.param
    command = [sys.executable, "-W", "error", "-m", "tests.core.training.distributed.cases", str(folder / "store")]
    children = [
        subprocess.Popen([*command, str(rank), str(size), str(folder / f"{rank}.pt")], cwd=PROJECT_ROOT)
        for rank in range(size)
    ]
    assert [child.wait(timeout=280) for child in children] == [0] * size
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@pytest.mark.parametrize("name", CASES)
def test_ten_steps_in_float64_end_in_the_same_weights_and_figures(processes, name):
    expected = alone(name)
    for found in processes:
        assert largest_difference(found[name]["weights"], expected["weights"]) < 1e-9
        assert largest_difference(found[name]["model"], expected["model"]) < 1e-9
        for ours, theirs in zip(found[name]["records"], expected["records"], strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)  # validation is in float32


def test_an_epoch_in_float32_ends_in_the_same_weights(processes):
    expected = alone("epoch")
    for found in processes:
        assert largest_difference(found["epoch"]["model"], expected["model"]) < 1e-3


@pytest.mark.parametrize("name", [*CASES, "epoch"])
def test_weights_and_running_statistics_are_equal_in_all_processes(processes, name):
    for found in processes[1:]:
        assert largest_difference(found[name]["model"], processes[0][name]["model"]) == 0


def test_the_processes_take_different_faces_and_together_the_batch(processes):
    taken = [face for found in processes for face in found["everything"]["own"]]
    assert all(found["everything"]["own"] for found in processes)
    assert taken == processes[0]["everything"]["batch"]
    assert len(set(taken)) == len(taken)


def test_shared_validation_gives_the_logits_of_one_process(processes):
    assert [found["same logits"] for found in processes] == [True] * len(processes)
