"""How best to train on few faces of one's own: ``python -m tests.benchmarks.own_faces fer2013.zip FOLDER``.

The values of the preset ``own-faces`` come from here. A network is trained on four classes of FER2013 (happy, neutral,
surprise, angry), then adapted to the other three (sad, fear, disgust), which it never saw, with few faces of each from
Training. As in a training of the app a tenth of them is held out and decides which epoch is kept; what is kept is scored on
the PublicTest faces of the three classes that have no copy in Training. PrivateTest is not read.

FOLDER keeps the first network and a line for each training; a second call goes on where the first was stopped. The
settings stand in the order in which they were tried: each changes one thing of ``thaw``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, load, make_split
from fer_core.data.duplicates import has_duplicate, pixel_groups
from fer_core.inference import load_checkpoint, save_checkpoint
from fer_core.training.device import choose_compute
from fer_core.training.loop import Training, torch_settings
from fer_core.training.runs import best_record

KNOWN: Final = ("happy", "neutral", "surprise", "angry")
NEW: Final = ("sad", "fear", "disgust")
SEEDS: Final = range(3)
TRUNK: Final[Mapping[str, Any]] = {"model": "compact", "epochs": 10, "threads": 1}
"""Settings of the first network; the rest are the defaults."""

THAW: Final[Mapping[str, Any]] = {
    **{"model": "compact", "epochs": 30, "freeze_epochs": 5, "batch_size": 32, "learning_rate": 1e-3, "threads": 1},
    **{"protocol": "holdout", "init_from": "trunk"},
}
LIGHT: Final[Mapping[str, Any]] = {"flip": True, "shift": 0.06, "scale": 0.08, "rotation": 8.0}
STRONG: Final[Mapping[str, Any]] = {"erasing": 0.3, "contrast": 0.25, "brightness": 0.1}

SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "thaw": THAW,
    "from scratch": {**THAW, "init_from": None, "freeze_epochs": 0, "learning_rate": 3e-3},
    "last layer alone": {**THAW, "freeze_epochs": 30},
    "nothing frozen": {**THAW, "freeze_epochs": 0},
    "rate 3e-4": {**THAW, "learning_rate": 3e-4},
    "rate 3e-3": {**THAW, "learning_rate": 3e-3},
    "15 epochs": {**THAW, "epochs": 15},
    "60 epochs": {**THAW, "epochs": 60},
    "light augmentation": {**THAW, "augment": LIGHT},
    "strong augmentation": {**THAW, "augment": STRONG},
    "weight decay 0.05": {**THAW, "weight_decay": 0.05},
    "batches of 16": {**THAW, "batch_size": 16},
    "cosine schedule": {**THAW, "schedule": "cosine"},
    "averaged weights": {**THAW, "ema_decay": 0.95},
}


def only(dataset: FaceDataset, names: Sequence[str], per_class: int | None = None, seed: int = 0) -> FaceDataset:
    """The train and valid faces of some classes; of those that train at most ``per_class`` of each, chosen by ``seed``.

    Faces of valid that have a copy among all that train are left out.
    """
    rng, chosen = np.random.default_rng(seed), []
    train = np.flatnonzero(dataset.split == "train")
    valid = np.flatnonzero(dataset.split == "valid")
    valid = valid[~has_duplicate(pixel_groups(dataset.images), valid, train)]
    for name in names:
        label = dataset.classes.position(name)
        chosen += [rng.permutation(train[dataset.labels[train] == label])[:per_class]]
        chosen += [valid[dataset.labels[valid] == label]]
    keep = np.sort(np.concatenate(chosen))
    places = np.full(len(dataset.classes), -1)
    places[[dataset.classes.position(name) for name in names]] = np.arange(len(names))
    labels = places[dataset.labels[keep]].astype(np.int64)
    return FaceDataset(
        dataset.name, dataset.images[keep], labels, dataset.split[keep], dataset.ids[keep], ClassList(tuple(names))
    )


def train_trunk(dataset: FaceDataset, path: Path) -> None:
    """Train the first network and keep its last weights."""
    config = TrainConfig.parse(dict(TRUNK))
    compute = choose_compute(config)
    with torch_settings(compute):
        training = Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute)
        while not training.finished:
            print(training.run_epoch(), flush=True)
    save_checkpoint(path, training.weights(), training.info)


def adapt(dataset: FaceDataset, settings: Mapping[str, Any], seed: int, trunk: Path) -> dict[str, Any]:
    """Train as the app would; returns accuracy and mean recall on the valid faces of the epoch that is kept."""
    config = TrainConfig.parse({**settings, "seed": seed})
    compute, began = choose_compute(config), time.perf_counter()
    start = None
    if config.init_from:
        weights = load_checkpoint(trunk)[0].state_dict()
        start = {name: value for name, value in weights.items() if not name.startswith("classifier.")}
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    kept: dict[str, torch.Tensor] = {}
    with torch_settings(compute):
        training = Training(config, dataset, split, compute, start)
        while not training.finished:
            record = training.run_epoch()
            if record == best_record(training.records()):
                kept = {name: value.clone() for name, value in training.weights().items()}
        seconds = time.perf_counter() - began
        training.classifier.model.load_state_dict(kept)
        scored = dataset.indices("valid")
        right = training.classifier.logits(dataset.images[scored]).argmax(axis=1) == dataset.labels[scored]
    recall = [float(right[dataset.labels[scored] == label].mean()) for label in range(len(dataset.classes))]
    return {
        "accuracy": float(right.mean()),
        "recall": recall,
        "mean_recall": float(np.mean(recall)),
        "seconds": seconds,
    }


def main(source: str, folder: Path, sizes: Sequence[int], names: Sequence[str]) -> None:
    """Do what is not done yet, and print a table."""
    whole = load(source)
    trunk, lines = folder / "trunk.safetensors", folder / "results.jsonl"
    if not trunk.is_file():
        train_trunk(only(whole, KNOWN), trunk)
    done = [json.loads(line) for line in lines.read_text().splitlines()] if lines.is_file() else []
    for name in names:
        for size in sizes:
            for seed in SEEDS:
                if any((r["name"], r["size"], r["seed"]) == (name, size, seed) for r in done):
                    continue
                result = adapt(only(whole, NEW, size, seed), SETTINGS[name], seed, trunk)
                done.append({"name": name, "size": size, "seed": seed, **result})
                with lines.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
            mine = [r["mean_recall"] for r in done if (r["name"], r["size"]) == (name, size)]
            print(
                f"{name:20} {size:4} faces a class: {np.mean(mine):.3f} ({min(mine):.3f}–{max(mine):.3f})", flush=True
            )


if __name__ == "__main__":
    main(
        sys.argv[1],
        Path(sys.argv[2]),
        [int(size) for size in sys.argv[3].split(",")] if len(sys.argv) > 3 else [20, 80, 200],
        sys.argv[4].split(",") if len(sys.argv) > 4 else list(SETTINGS),
    )
