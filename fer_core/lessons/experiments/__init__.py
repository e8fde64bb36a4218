"""Teaching experiments: predict the outcome, run, read the explanation. Each module here defines an ``EXPERIMENT``."""

from __future__ import annotations

import importlib
import pkgutil

from fer_core.errors import FerError
from fer_core.lessons.experiments.base import Arm, ArmResult, Experiment, Result, experiment_subset, run

__all__ = ["Arm", "ArmResult", "Experiment", "Result", "experiment_subset", "experiments", "find", "run"]

_FIRST = ("leak", "shuffled", "augmentation")


def experiments() -> dict[str, Experiment]:
    """Return all experiments by name: those of the lab report first, then the others by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        experiment = getattr(importlib.import_module(f"{__name__}.{module.name}"), "EXPERIMENT", None)
        if isinstance(experiment, Experiment):
            found[experiment.name] = experiment
    return dict(
        sorted(found.items(), key=lambda item: (_FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST), item[0]))
    )


def find(name: str) -> Experiment:
    """Return an experiment by name.

    Raises:
        FerError: it does not exist; the message lists the names.
    """
    known = experiments()
    if name not in known:
        raise FerError(f"Unknown experiment '{name}'. Choose one of {', '.join(known)}.")
    return known[name]
