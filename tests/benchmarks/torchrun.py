"""What ``torchrun`` with one process costs: ``python -m tests.benchmarks.torchrun``; about 90 s on a GPU with the defaults.

Trains on random faces, as many as FER2013 has, alternately with and without ``torchrun --nproc-per-node 1``, each time in a
fresh process with a workspace of its own. Prints one JSON document: the seconds of each epoch, without the first of each
process, and the ratio of the medians. ``--processes N`` compares with N processes instead of one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import FaceDataset
from fer_core.training.distributed.join import joined
from fer_core.workspace import Workspace

VALID = 3589


def faces(train: int) -> FaceDataset:
    """Random faces with random labels: speed does not depend on them."""
    rng, names, n = np.random.default_rng(0), ClassList.fer2013(), train + VALID
    images = rng.integers(0, 256, (n, 48, 48), np.uint8)
    split = np.array(["train"] * train + ["valid"] * VALID)
    return FaceDataset("random", images, np.arange(n) % len(names), split, np.array([str(i) for i in range(n)]), names)


def worker(settings: str, train_faces: int) -> None:
    """Train in this process, alone or as one of ``torchrun``'s, and print the epochs."""
    from fer_core.training.trainer import follow, train

    config, workspace = TrainConfig.parse(json.loads(settings)), Workspace(Path(os.environ["FER_HOME"]))
    with joined() as processes:
        if processes is not None and not processes.first:
            follow(config, processes, dataset=faces(train_faces), workspace=workspace)
            return
        result = train(config, dataset=faces(train_faces), workspace=workspace, processes=processes)
        seconds = [record.seconds for record in result.records]
        print(json.dumps({"seconds": seconds, "environment": result.environment}))


def measure(settings: str, train_faces: int, processes: int | None) -> dict:
    """The worker's figures, with that many processes under ``torchrun``, or without it (None)."""
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"] if processes else []
    command = [sys.executable, "-m", *torchrun, "tests.benchmarks.torchrun", "--worker", settings]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "FER_HOME": folder}
        done = subprocess.run(
            [*command, "--faces", str(train_faces)], stdout=subprocess.PIPE, text=True, check=True, env=environment
        )
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: argparse.Namespace) -> None:
    settings = json.dumps(
        {
            "model": arguments.model,
            "batch_size": arguments.batch_size,
            "epochs": arguments.epochs,
            "device": arguments.device,
            "threads": arguments.threads,
        }
    )
    found: dict[str, list[float]] = {"plain": [], "torchrun": []}
    environment = {}
    for turn in ("plain", "torchrun", "torchrun", "plain") * arguments.rounds:
        figures = measure(settings, arguments.faces, arguments.processes if turn == "torchrun" else None)
        found[turn] += figures["seconds"][1:]
        environment = figures["environment"]
    plain, torchrun = (statistics.median(found[name]) for name in ("plain", "torchrun"))
    print(
        json.dumps(
            {
                "processes": arguments.processes,
                "ratio": torchrun / plain,
                "median_seconds_per_epoch": {"plain": plain, "torchrun": torchrun},
                "seconds_per_epoch": found,
                "settings": json.loads(settings),
                "faces": arguments.faces,
                "device": environment["device_name"],
                "precision": environment["precision"],
                "versions": environment["versions"],
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="compact")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--faces", type=int, default=28_709)
    parser.add_argument("--rounds", type=int, default=1, help="Each round trains four times.")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(given.worker, given.faces)
    else:
        main(given)
