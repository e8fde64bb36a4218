"""Three classes of one's own from the shipped start: ``python -m tests.benchmarks.three_classes fer2013.zip``.

Happy, surprise and neutral faces of PublicTest, which ``compact`` was not trained on, under names of their own: 80 of each
train under the preset ``own-faces`` with one setting changed, 300 others of each are the test. The same with drawn faces.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer_core.classes import ClassList
from fer_core.data import FaceDataset, load
from fer_core.presets import make_train_config
from fer_core.training import train
from fer_core.workspace import Workspace

OWN: Final = {"happy": "laughing", "surprise": "amazed", "neutral": "at rest"}
TRAIN, TEST = 80, 300
DRAWS: Final = range(3)
SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "the preset": {},
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "the last layer alone": {"freeze_epochs": 30},
}


def draw(source: FaceDataset, split: str, seed: int) -> FaceDataset:
    """80 faces of each of the three classes to train and up to 300 others to test, from one split of ``source``."""
    rng, places, parts, labels = np.random.default_rng(seed), [], [], []
    for label, name in enumerate(OWN):
        mine = np.flatnonzero((source.labels == source.classes.position(name)) & (source.split == split))
        chosen = rng.permutation(mine)[: TRAIN + TEST]
        places.append(chosen)
        parts += ["train"] * TRAIN + ["test"] * (len(chosen) - TRAIN)
        labels += [label] * len(chosen)
    at = np.concatenate(places)
    return FaceDataset(
        f"three classes, draw {seed}", source.images[at], np.array(labels), np.array(parts), source.ids[at],
        ClassList(tuple(OWN.values())),
    )  # fmt: skip


def main(source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        faces = load(source, workspace=Workspace.default())
        drawn = load("synthetic", workspace=Workspace.default())
        for name, changes in SETTINGS.items():
            config = make_train_config("own-faces", evaluate_test=True, **changes)
            for kind, data, split in (("faces", faces, "valid"), ("drawn", drawn, "train")):
                figures = []
                for seed in DRAWS:
                    started = time.perf_counter()
                    result = train(config, dataset=draw(data, split, seed), workspace=workspace)
                    assert result.test is not None
                    figures.append(f"{result.test.accuracy:.3f} ({time.perf_counter() - started:.0f} s)")
                print(f"{name}, {kind}, draws {DRAWS.start} to {DRAWS.stop - 1}: {', '.join(figures)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
