"""Photos per second by number of processes: ``python -m tests.benchmarks.folder [--ray]``; two minutes on two cores.

Predicts a folder of drawn portraits, alternately with one process pinned to one core and with one process per core, each time
in a fresh process, start included. ``--ray`` adds Ray on this machine. Prints one JSON document: all seconds, the ratios of the
medians to the pinned process, and the memory of the main process at the end of a folder and of one four times as large.
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

from fer_core.jobs.workers import processor_cores
from fer_core.resources import asset


def folder_of(count: int, folder: Path) -> Path:
    """Fill a folder with links to drawn portraits."""
    folder.mkdir()
    samples = sorted(asset("samples").glob("*.jpg"))
    for number in range(count):
        (folder / f"{number:06}.jpg").symlink_to(samples[number % len(samples)])
    return folder


def predict(folder: Path, *options: str, pinned: bool = False) -> tuple[float, int]:
    """Predict a folder in a fresh process; return the seconds and the largest resident memory of the main process in MB."""
    table = folder.parent / "out.csv"
    table.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.folder", "--only", str(folder), str(table), *options]
    pin = (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})) if pinned else None
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pin)
    return time.perf_counter() - begun, int(done.stderr.strip().splitlines()[-1])


def only(folder: str, table: str, *options: str) -> int:
    """What runs in the fresh process: the command, then the peak of the memory on stderr."""
    import resource

    from fer_core.cli import main

    status = main(["predict", folder, "--csv", table, *options])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, file=sys.stderr)
    return status


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    ways = {"one pinned": (("--workers", "1"), True), "one per core": ((), False)}
    if options.ray:
        ways["ray"] = (("--engine", "ray"), False)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as place:
        small = folder_of(options.photos, Path(place) / "small")
        for _ in range(options.rounds):
            for name, (told, pinned) in ways.items():
                seconds[name].append(round(predict(small, *told, pinned=pinned)[0], 2))
        large = folder_of(4 * options.photos, Path(place) / "large")
        memory = [predict(folder)[1] for folder in (small, large)]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: round(medians["one pinned"] / value, 3) for name, value in medians.items()}
    print(json.dumps({
        "photos": options.photos, "cores": processor_cores(), "seconds": seconds, "faster": ratios,
        "photos_per_second": {name: round(options.photos / value, 1) for name, value in medians.items()},
        "memory_mb": {"folder": memory[0], "four times as large": memory[1]},
    }))  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--only"]:
        sys.exit(only(*sys.argv[2:]))
    main()
