"""Train networks: ``train(config)``, run directories, background jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_core.training.runs import EpochRecord, Run, Status, list_runs, open_run

if TYPE_CHECKING:
    from fer_core.training.trainer import Hooks, TrainResult, train

__all__ = ["EpochRecord", "Hooks", "Run", "Status", "TrainResult", "list_runs", "open_run", "train"]


def __getattr__(name: str) -> Any:
    """Import the trainer on first use: it needs torch, while reading runs does not."""
    if name in ("Hooks", "TrainResult", "train"):
        from fer_core.training import trainer

        return getattr(trainer, name)
    raise AttributeError(name)
