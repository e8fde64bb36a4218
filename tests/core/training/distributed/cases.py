"""Trainings that one process and several must carry out alike. Run as a program, it is one process of a group.

``python -m tests.core.training.distributed.cases STORE RANK SIZE OUTPUT``
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from fer_core.data import make_split
from fer_core.models import build
from fer_core.training.device import Compute
from fer_core.training.distributed.group import Group
from fer_core.training.loop import Training, torch_settings
from tests.factories import make_dataset, tiny_config, with_votes

SMALL = {"stem": 8, "widths": (8, 12), "blocks": (1, 1), "dropout": 0.3}
PIXELS = {"augment": {"erasing": 0.5, "contrast": 0.3, "brightness": 0.2}}
CASES: dict[str, dict[str, Any]] = {
    "everything": {**PIXELS, "mixup": 0.4, "ema_decay": 0.9, "gradient_clip": 0.5, "class_weights": "sqrt"},
    "two outputs": {
        "targets": "both",
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "class_weights": "inverse",
        "mixup": 0.4,
    },
    "votes": {"targets": "votes"},
    "teacher": {"targets": "both", "teachers": ("teacher",), "mixup": 0.4},
    "views": {"teachers": ("teacher",), "cached_views": 2},
    "frozen": {"freeze_epochs": 1, "init_from": "teacher", "learning_rate": 1e-3},
    "dropout": {"model": "seed", "model_args": {}, "batch_size": 14},
}
"""Each for ten steps in float64: settings beside those of :func:`case`."""
EPOCH = {"model": "seed", "model_args": {}, "learning_rate": 1e-5, "epochs": 1, "batch_size": 35}
"""An epoch in float32."""
FIGURES = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "learning_rate")


def case(name: str, group: Group) -> tuple[Training, int]:
    """A training of :data:`CASES`, or ``epoch``, and the number of steps to take."""
    wanted = EPOCH if name == "epoch" else {"model": "compact", "model_args": SMALL, "epochs": 4, **CASES[name]}
    config = tiny_config(**wanted)
    dataset = with_votes(make_dataset(), nobody=5)
    teachers = []
    if config.teachers:
        torch.manual_seed(1)
        teachers = [build("compact", classes=15 if config.targets == "both" else 7, **SMALL)]
    compute = Compute("cpu", "test", "float32" if name == "epoch" else "float64", 1)
    split = make_split(dataset, "official", 0.1, 0)
    return Training(config, dataset, split, compute, teachers=teachers, group=group), 4 if name == "epoch" else 10


def run(name: str, group: Group) -> dict[str, Any]:
    """Weights, running statistics, records and the faces this process took after the steps of a case."""
    t, steps = case(name, group)
    with torch_settings(t.compute):
        t.run_epoch()
        while not t.finished and t.progress.epoch * t.steps_per_epoch < steps:
            t.run_epoch(should_stop=lambda: t.progress.epoch * t.steps_per_epoch + t.progress.step >= steps)
    batch = t.epoch_order(0)[: t.batch_size]
    return {
        "weights": t.weights(),
        "model": t.model.state_dict(),
        "records": [{name: getattr(r, name) for name in FIGURES} for r in t.records()],
        "own": batch[group.part(len(batch), neighbor=False).own].tolist(),
        "batch": batch.tolist(),
    }


def same_logits(group: Group) -> bool:
    """Whether shared validation gives the logits of one process, bit for bit and in their order; 70 faces by batches of 16."""
    t, _ = case("epoch", group)
    faces = t.dataset.images[t.split.valid]
    return np.array_equal(group.logits(t.classifier, faces, 16), t.classifier.logits(faces, 16))


def main(store: str, rank: int, size: int, output: Path) -> None:
    """Run every case as process ``rank`` and save the results."""
    limit = timedelta(seconds=120)
    dist.init_process_group("gloo", store=dist.FileStore(store, size), rank=rank, world_size=size, timeout=limit)
    group = Group(rank, size)
    results = {name: run(name, group) for name in [*CASES, "epoch"]}
    torch.save({**results, "same logits": same_logits(group)}, output)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
