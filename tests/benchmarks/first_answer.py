"""Time and memory of ``predict`` on one photograph in a fresh process: ``python -m tests.benchmarks.first_answer PHOTO``.

The shipped model with its ONNX file, and a copy of it without one, which PyTorch answers, take turns; each process has a
workspace of its own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fer_core.inference.classifier import default_model
from fer_core.resources import asset

ROUNDS = 5
PROGRAM = """
import contextlib, io, resource, sys, time
started = time.perf_counter()
from fer_core.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    status = main(["predict", sys.argv[1], "--model", sys.argv[2], "--json"])
print(status, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main(photo: str) -> None:
    shipped = asset("models", f"{default_model()}.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder, shipped.name)
        shutil.copy(shipped, alone)
        environment = {**os.environ, "FER_HOME": folder, "FER_EXPORT_ONNX": "0"}
        figures: dict[Path, list[tuple[float, float]]] = {shipped: [], alone: []}
        for _ in range(ROUNDS):
            for model, found in figures.items():
                command = [sys.executable, "-c", PROGRAM, photo, str(model)]
                run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                status, seconds, megabytes = map(float, run.stdout.split())
                assert status == 0, run.stderr
                found.append((seconds, megabytes))
        for engine, found in zip(("ONNX Runtime", "PyTorch"), figures.values(), strict=True):
            seconds, megabytes = zip(*found, strict=True)
            print(
                f"{engine}: {statistics.median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f}), "
                f"{statistics.median(megabytes):.0f} MB ({min(megabytes):.0f}–{max(megabytes):.0f}), n = {ROUNDS}"
            )


if __name__ == "__main__":
    main(sys.argv[1])
