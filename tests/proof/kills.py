"""A training killed with SIGKILL at random moments, resumed, and killed again: its weights must not show it.

A process that has torch loaded already forks one child for each stretch of training, so that a hundred kills take
minutes, not an hour. Every second kill waits until a file is being written (``.….part`` exists), the others come at a
random moment.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from fer_core.evaluation import Predictions
from fer_core.inference import load_checkpoint
from fer_core.training.runs import Run, create_run, list_runs, open_run
from fer_core.training.trainer import train
from fer_core.workspace import Workspace
from tests.factories import make_dataset, tiny_config

LONGEST = 900.0  # seconds one stretch of training, of a second on an idle machine, may take before it counts as hung


@dataclass
class Kills:
    """What came of it."""

    kills: int = 0
    while_writing: int = 0
    runs: int = 0
    different_weights: int = 0
    unreadable: int = 0
    still_running: int = 0
    hung: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether nothing was lost."""
        return not (self.different_weights or self.unreadable or self.still_running or self.hung)


def _config():
    small = {"widths": [16, 16, 16], "blocks": [1, 1, 1]}
    return tiny_config(
        epochs=5, model="compact", model_args=small, optimizer="sgd", learning_rate=0.05, ema_decay=0.9, mixup=0.2
    )


def _final(run: Run) -> dict[str, torch.Tensor]:
    training = torch.load(run.path / "last.ckpt", weights_only=True)["training"]
    return {**training["model"], **{f"average.{k}": v for k, v in training["average"].items()}}


def _stretch(run: Run, workspace: Workspace) -> int:
    """Fork a child that trains until it is done or killed; returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        train(run.config, run=run, dataset=make_dataset(), workspace=workspace)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _writing(run: Run) -> bool:
    return any(path.name.endswith(".part") for path in run.path.iterdir())


def _kill_somewhere(child: int, run: Run, rng: random.Random, longest: float, result: Kills) -> bool:
    """Kill the child at a random moment, or at a random write; False when it had ended by itself."""
    wait_for_write = rng.random() < 0.5
    moment = time.monotonic() + rng.uniform(0, longest)
    while time.monotonic() < moment:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    while wait_for_write and not _writing(run):
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
    result.while_writing += _writing(run)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    result.kills += 1
    return True


def _look(run: Run, workspace: Workspace, result: Kills) -> None:
    """Open everything a page would open; nothing may fail, and nothing may say that it still runs."""
    try:
        found = open_run(run.id, workspace)
        found.records(), found.log_tail(), found.environment(), found.label, found.config
        assert found.id in {other.id for other in list_runs(workspace)}
        if found.state == "running":
            result.still_running += 1
        for path, read in ((run.path / "best.safetensors", load_checkpoint),):
            if path.exists():
                read(path)
        for path in run.path.glob("predictions-*.npz"):
            Predictions.read(path)
    except Exception:
        traceback.print_exc()
        result.unreadable += 1


def kill_and_resume(kills: int, folder: Path, seed: int = 0) -> Kills:
    """Kill trainings ``kills`` times and compare each one's final weights with those of an undisturbed training."""
    torch.set_num_threads(1)  # a process with a pool of threads must not be forked
    rng, result, started = random.Random(seed), Kills(), time.monotonic()
    workspace = Workspace(folder)
    undisturbed = create_run(_config(), "undisturbed", workspace=workspace)
    begun = time.monotonic()
    _, status = os.waitpid(_stretch(undisturbed, workspace), 0)
    assert status == 0, "the undisturbed training failed"
    whole = time.monotonic() - begun
    wanted = _final(undisturbed)
    while result.kills < kills:
        run = create_run(_config(), f"run {result.runs}", workspace=workspace)
        result.runs += 1
        for _ in range(rng.randint(1, 3)):
            if not _kill_somewhere(_stretch(run, workspace), run, rng, whole, result):
                break
            _look(run, workspace, result)
        child = _stretch(run, workspace) if run.state != "finished" else None
        if child is not None:
            deadline = time.monotonic() + LONGEST
            while not os.waitpid(child, os.WNOHANG)[0]:
                if time.monotonic() > deadline:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    result.hung += 1
                    print(f"{run.id} was not done after {LONGEST:.0f} s:", *run.log_tail(5), sep="\n  ")
                    break
                time.sleep(0.005)
        found = _final(run)
        if found.keys() != wanted.keys() or not all(torch.equal(found[name], wanted[name]) for name in wanted):
            result.different_weights += 1
        _look(run, workspace, result)
    result.seconds = time.monotonic() - started
    return result


def main(arguments: list[str]) -> int:
    """``python -m tests.proof.kills N FOLDER``: exit status 0 when nothing was lost."""
    result = kill_and_resume(int(arguments[0]), Path(arguments[1]))
    print(
        f"{result.kills} kills of {result.runs} trainings, {result.while_writing} of them during a write: "
        f"{result.different_weights} with other weights than undisturbed, {result.unreadable} unreadable, "
        f"{result.still_running} still 'running', {result.hung} hung; {result.seconds:.0f} s"
    )
    print(json.dumps(asdict(result)))
    return 0 if result.clean and result.kills >= int(arguments[0]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
