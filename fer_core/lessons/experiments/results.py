"""Stored results of experiments, keyed by data and settings."""

from __future__ import annotations

import json

from fer_core.data import FaceDataset
from fer_core.lessons.experiments.base import Experiment, Result
from fer_core.store import Store
from fer_core.workspace import Workspace


def get(experiment: Experiment, dataset: FaceDataset, workspace: Workspace) -> Result | None:
    """Return the stored result for this data and these settings, or None."""
    key = _key(experiment, dataset)
    return Store(workspace).get("experiments", key, lambda entry: Result.parse(entry.values["result"]))


def put(result: Result, experiment: Experiment, dataset: FaceDataset, workspace: Workspace) -> None:
    """Store a result for this data and these settings."""
    Store(workspace).put("experiments", _key(experiment, dataset), result=result.to_dict())


def delete(experiment: Experiment, dataset: FaceDataset, workspace: Workspace) -> None:
    """Delete the stored result, so the experiment can run again."""
    Store(workspace).remove("experiments", _key(experiment, dataset))


def _key(experiment: Experiment, dataset: FaceDataset) -> str:
    settings = json.dumps([config.to_dict() for config in experiment.configs()], sort_keys=True)
    return f"{experiment.name} {experiment.faces} {settings} {dataset.cache_key}"
