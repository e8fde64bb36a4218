"""Time of teaching own classes, ``not sure`` and the two accuracies on drawn takes: ``python -m tests.benchmarks.teach``.

Prints one JSON document: seconds (wall clock and processor) of trainings with nothing cached, and for each base network how many
faces of a class left out, and of known classes, are "not sure".
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.inference import Classifier
from fer_core.store import Store
from fer_core.teach import TakeStore, teach
from fer_core.workspace import Workspace
from tests.teach_factory import draw_take, fill

BASES = ("compact-people", "seed")
ROUNDS = 3
PERSONS = (1, 2, 4, 5, 6)
SETS = (("happy", "surprise", "sad", "neutral"), ("happy", "surprise", "angry", "fear"))


def seconds(store: TakeStore, base: Classifier, workspace: Workspace) -> dict[str, Any]:
    """The training's own seconds, of its figures, and processor seconds of both."""
    rows = []
    for _ in range(ROUNDS):
        Store(workspace).clear("take-features")
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        found = teach(store, base, workspace)
        after = resource.getrusage(resource.RUSAGE_SELF)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows.append((found.seconds, found.seconds_figures, time.perf_counter() - started, processor))
    names = ("training", "figures", "all", "processor")
    return {name: sorted(round(row[i], 2) for row in rows) for i, name in enumerate(names)}


def not_sure(
    base: Classifier, workspace: Workspace, person: int, classes: tuple[str, ...], left_out: str
) -> tuple[float, float]:
    """Shares of faces that are "not sure": of the class left out, and of known classes in takes that were not recorded."""
    others = [name for name in classes if name != left_out]
    store = TakeStore(workspace, f"{base.path.stem if base.path else ''} {person} {left_out} {classes[-1]}", others)
    for name in others:
        for take in range(3):
            store.add(name, draw_take(name, take, 8, person))
    teach(store, base, workspace)
    model = Classifier.load(store.name, workspace=workspace)

    def share(name: str, takes: range) -> float:
        faces = np.concatenate([draw_take(name, take, 8, person) for take in takes])
        return float(np.mean(model.probabilities(faces).max(axis=1) < model.abstain_below))

    return share(left_out, range(4)), float(np.mean([share(name, range(3, 4)) for name in others]))


def main() -> None:
    document: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        usual = fill(workspace, "usual", takes=3, frames=40)
        large = TakeStore(workspace, "large", ("happy", "surprise", "neutral", "sad", "angry"))
        for name in large.classes:
            for take in range(5):
                large.add(name, np.repeat(draw_take(name, take, 20), 10, axis=0))
        alike = fill(workspace, "different", ("sad", "angry", "neutral"), takes=3, frames=16)
        for name in BASES:
            base = Classifier.load(name, workspace=workspace)
            found = teach(alike, base, workspace)
            shares = [not_sure(base, workspace, p, c, out) for p in PERSONS for c in SETS for out in c]
            document[name] = {
                "seconds_9_takes_of_40": seconds(usual, base, workspace),
                "seconds_25_takes_of_200": seconds(large, base, workspace),
                "leave_one_take_out": found.leave_one_take_out.accuracy,
                "random_frames": found.random_frames.accuracy,
                "models": len(shares),
                "class_left_out_not_sure": round(float(np.mean([share for share, _ in shares])), 3),
                "models_with_half_of_it": sum(share >= 0.5 for share, _ in shares),
                "known_not_sure": round(float(np.mean([share for _, share in shares])), 3),
            }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
