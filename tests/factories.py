"""Small inputs for tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import FaceDataset
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.data.votes import columns_of
from fer_core.inference import CheckpointInfo, save_checkpoint
from fer_core.store import Kind, Store
from fer_core.workspace import Workspace


def make_dataset(
    train: int = 140,
    valid: int = 70,
    test: int = 70,
    seed: int = 0,
    name: str = "tiny",
    classes: tuple[str, ...] | None = None,
) -> FaceDataset:
    """Faces that a network can learn: a bright bar whose height (and side) gives the class, under noise.

    ``classes``: FER2013's seven when None.
    """
    rng = np.random.default_rng(seed)
    names = ClassList.fer2013() if classes is None else ClassList(classes)
    n = train + valid + test
    labels = (np.arange(n) % len(names)).astype(np.int64)
    images = rng.integers(0, 90, (n, 48, 48)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, side = 3 + 6 * (label % 7), label // 7
        image[row : row + 5, 8 + 3 * side : 40 - 3 * side] += 150
    split = np.array(["train"] * train + ["valid"] * valid + ["test"] * test)
    return FaceDataset(name, images, labels, split, np.array([f"face {i}" for i in range(n)]), names)


def with_votes(dataset: FaceDataset, nobody: int = 0) -> FaceDataset:
    """The data set with ten FER+ votes on each face: seven for what its label says, three for the next emotion.

    Of the first ``nobody`` faces of each split all ten people say that they are *not a face*.
    """
    label_columns = columns_of(FERPLUS_COLUMNS, dataset.classes)
    votes = np.zeros((len(dataset), len(FERPLUS_COLUMNS)), np.int64)
    for row, label in zip(votes, dataset.labels.tolist(), strict=True):
        column = label_columns[label]
        assert column is not None
        row[column], row[(column + 1) % 8] = 7, 3
    for split in ("train", "valid", "test"):
        votes[np.flatnonzero(dataset.split == split)[:nobody]] = [0] * 9 + [10]
    return dataclasses.replace(dataset, votes=votes, vote_columns=FERPLUS_COLUMNS)


def tiny_config(**changes: object) -> TrainConfig:
    """Two quick epochs in float32 on one thread."""
    values = {"epochs": 2, "batch_size": 35, "precision": "float32", "device": "cpu", "threads": 1, **changes}
    return TrainConfig.parse(values)


def untrained_checkpoint(path: Path, architecture: str = "seed", seed: int = 0, **info: object) -> Path:
    """A checkpoint with random weights, the same for the same seed; of FER2013's seven where ``labels`` is not given."""
    import torch

    from fer_core.models import build

    values: dict[str, Any] = {"architecture": architecture, "labels": ClassList.fer2013().names, **info}
    if len(values["labels"]) != 7:
        values["model_args"] = {"classes": len(values["labels"]), **values.get("model_args", {})}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(architecture, **values.get("model_args", {}))
    save_checkpoint(path, model.state_dict(), CheckpointInfo.parse(values))
    return path


def entries(workspace: Workspace, kind: Kind) -> list[Path]:
    """The files of one kind in a workspace's content cache."""
    return sorted(Store(workspace).path(kind, "any").parent.glob("*.npz"))
