"""How much faster all cores evaluate than one: ``python -m tests.benchmarks.evaluation``; about a minute on two cores.

Classifies random faces with a shipped model, alternately with one thread pinned to a core and with ONNX Runtime's threads on all
cores, as ``evaluate`` does, each time in a fresh process; neither its start nor loading the model is counted. Prints one JSON
document: all seconds, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fer_core.inference import Classifier
from fer_core.jobs.workers import processor_cores
from fer_core.workspace import Workspace

BATCH = 256


def worker(model: str, faces: int, pinned: bool, folder: str) -> None:
    """Print the seconds for the faces after one batch that is not counted."""
    if pinned:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    classifier = Classifier.load(model, workspace=Workspace(Path(folder)), threads=1 if pinned else 0)
    images = np.random.default_rng(0).integers(0, 256, (BATCH + faces, 48, 48), np.uint8)
    classifier.logits(images[:BATCH])
    begun = time.perf_counter()
    classifier.logits(images[BATCH:])
    print(json.dumps({"seconds": round(time.perf_counter() - begun, 3), "engine": classifier.engine}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--faces", type=int, default=3589, help="as many as a FER2013 test split by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=2, metavar=("PINNED", "FOLDER"))
    options = parser.parse_args()
    if options.worker:
        worker(options.model, options.faces, options.worker[0] == "one thread", options.worker[1])
        return
    seconds: dict[str, list[float]] = {"one thread": [], "all cores": []}
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.evaluation",
        "--model",
        options.model,
        "--faces",
        str(options.faces),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for name, values in seconds.items():
                done = subprocess.run([*command, "--worker", name, folder], check=True, capture_output=True, text=True)
                found = json.loads(done.stdout)
                values.append(found["seconds"])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(json.dumps({
        "model": options.model, "engine": found["engine"], "faces": options.faces, "cores": processor_cores(),
        "seconds": seconds, "faster": round(medians["one thread"] / medians["all cores"], 3),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
