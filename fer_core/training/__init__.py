"""Training: ``train(config)``, run directories, background jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_core.training.runs import EpochRecord, Run, Status, list_runs, open_run

if TYPE_CHECKING:
    from fer_core.training.trainer import Hooks, TrainResult, train

__all__ = ["EpochRecord", "Hooks", "Run", "Status", "TrainResult", "list_runs", "open_run", "train"]


def __getattr__(name: str) -> Any:
    """The trainer brings torch with it; looking at runs does not, so it loads when first asked for."""
    if name in ("Hooks", "TrainResult", "train"):
        from fer_core.training import trainer

        return getattr(trainer, name)
    raise AttributeError(name)
