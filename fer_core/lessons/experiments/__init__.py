"""Experiments that teach: predict, run, read why. A new one is one short file here that defines ``EXPERIMENT``."""

from __future__ import annotations

import importlib
import pkgutil

from fer_core.errors import FerError
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment, Result, experiment_subset, run

__all__ = ["Arm", "ArmResult", "Experiment", "Result", "experiment_subset", "experiments", "find", "run"]

_FIRST = ("leak", "shuffled", "augmentation")


def experiments() -> dict[str, Experiment]:
    """All experiments by name: those of the lab report first, then whatever other files there are."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        experiment = getattr(importlib.import_module(f"{__name__}.{module.name}"), "EXPERIMENT", None)
        if isinstance(experiment, Experiment):
            found[experiment.name] = experiment
    return dict(
        sorted(found.items(), key=lambda item: (_FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST), item[0]))
    )


def find(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        FerError: there is none; the message lists the names.
    """
    known = experiments()
    if name not in known:
        raise FerError(f"There is no experiment '{name}'. Known: {', '.join(known)}.")
    return known[name]
