"""``torchrun`` itself: processes killed with -9, a machine lost and replaced, stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_core.errors import ConfigError
from fer_core.training import list_runs, train
from fer_core.training.distributed.group import Group
from fer_core.training.runs import Run
from fer_core.workspace import Workspace
from tests.core.training.distributed.cases import case
from tests.paths import PROJECT_ROOT
from tests.source_factory import tree, write_folder

SETTINGS: dict[str, Any] = {"model": "seed", "batch_size": 14, "learning_rate": 1e-5}
Torchrun = Callable[..., subprocess.Popen[str]]


def test_more_processes_than_faces_in_a_batch_are_refused():
    with pytest.raises(ConfigError, match=r"36 processes cannot share a batch of 35 faces, .* larger batch_size\."):
        case("epoch", Group(0, 36))


def processes_of(home: Path) -> dict[int, int]:
    """The living training processes that write to this workspace: rank to process id."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(
                pair.partition("=")[::2] for pair in (entry / "environ").read_bytes().decode().split("\0") if pair
            )
        except (OSError, UnicodeDecodeError):
            continue
        if environment.get("FER_HOME") == str(home) and "LOCAL_RANK" in environment:
            found[int(environment["RANK"])] = int(entry.name)
    return found


def wait_for(condition: Callable[[], Any], seconds: float = 150) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return value


def epochs_of(workspace: Workspace) -> int:
    """Epochs in the checkpoints of the workspace's only run."""
    runs = list_runs(workspace)
    return len(runs[0].records()) if runs and (runs[0].path / "last.ckpt").exists() else 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("faces"), tree(per_class=6))


@pytest.fixture
def torchrun(workspace: Workspace, faces: Path) -> Iterator[Torchrun]:
    """Starts ``torchrun OPTIONS -m fer_core train`` on the faces; kills what is left afterwards."""
    started = []

    def start(*options: str, epochs: int) -> subprocess.Popen[str]:
        settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
        command = [sys.executable, "-m", "torch.distributed.run", *options, "--max-restarts", "2", "-m", "fer_core"]
        command += ["train", "--data", str(faces), "--epochs", str(epochs), "--json", *settings]
        command += ["--set=device=cpu", "--set=precision=float32", "--set=threads=1"]
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for pid in [
        *processes_of(workspace.root).values(),
        *(process.pid for process in started if process.poll() is None),
    ]:
        os.kill(pid, signal.SIGKILL)
    for process in started:
        process.communicate()


def weights(run: Run) -> dict[str, torch.Tensor]:
    return torch.load(run.path / "last.ckpt", weights_only=True)["training"]["model"]


@pytest.mark.slow
def test_a_training_goes_on_after_kill_9_and_ends_with_the_weights_of_one_process(torchrun, workspace):
    process = torchrun("--nproc-per-node", "2", "--master-port", str(free_port()), epochs=8)
    for rank in (1, 0):
        before = epochs_of(workspace)
        wait_for(lambda before=before: epochs_of(workspace) >= before + 2)
        os.kill(processes_of(workspace.root)[rank], signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    (run,) = list_runs(workspace)
    result = json.loads(out)
    assert (result["run"], result["state"], result["epochs"]) == (run.id, "finished", 8)
    assert result["processes"] == 2
    assert result["faces_per_step"] == {"global": 14, "per_process": [7, 7]}
    assert [record.epoch for record in run.records()] == list(range(1, 9))
    expected = weights(train(run.config, workspace=Workspace(workspace.root / "alone")).run)
    for name, value in weights(run).items():
        assert (value - expected[name]).abs().max() < 1e-3


@pytest.mark.slow
def test_a_lost_machine_is_replaced_and_a_stop_request_ends_all_machines(torchrun, workspace, monkeypatch):
    # Without this, torchrun 2.13 never tells a new machine where the store is.
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    endpoint = f"127.0.0.1:{free_port()}"
    options = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-id", "faces", "--rdzv-backend", "c10d"]
    options += ["--rdzv-endpoint", endpoint, "--rdzv-conf", "keep_alive_interval=1,keep_alive_max_attempt=3"]
    first = torchrun(*options, epochs=5000)
    time.sleep(3)  # the first agent opens the store, so that the second can be lost
    second = torchrun(*options, epochs=5000)
    wait_for(lambda: epochs_of(workspace) >= 2)
    workers = processes_of(workspace.root)
    lost = next(pid for pid in workers.values() if parent(pid) == second.pid)
    for pid in (second.pid, lost):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(workers.values()) & set(processes_of(workspace.root).values()))
    before = epochs_of(workspace)
    third = torchrun(*options, epochs=5000)
    wait_for(lambda: epochs_of(workspace) >= before + 2)
    (run,) = list_runs(workspace)
    run.request_stop()
    outputs = [process.communicate(timeout=200) for process in (first, third)]
    assert [first.returncode, third.returncode] == [0, 0]
    (result,) = [json.loads(out) for out, _ in outputs if out]
    assert (result["run"], result["state"], result["processes"]) == (run.id, "stopped", 2)
    assert [record.epoch for record in run.records()] == list(range(1, len(run.records()) + 1))
    assert "Another process of this training ended" in outputs[0][1]


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
