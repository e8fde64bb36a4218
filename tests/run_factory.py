"""Run directories written by hand, as a trainer would leave them."""

from __future__ import annotations

import math
import time
from typing import Any

from fer_core.config import TrainConfig
from fer_core.evaluation import wilson_interval
from fer_core.training.runs import EpochRecord, Run, Status, create_run
from fer_core.workspace import Workspace, write_json
from tests.factories import untrained_checkpoint


def make_record(epoch: int, *, leaky: bool = False, gain: float = 1.0) -> EpochRecord:
    """A plausible epoch: accuracy rises and levels off, validation loss turns up late."""
    train_accuracy = 0.25 + 0.65 * (1 - math.exp(-epoch / 5)) * gain
    unseen_loss = (1.9 * math.exp(-epoch / 3) + 0.9 + 0.004 * epoch * epoch) / gain
    valid_accuracy = 0.24 + 0.40 * (1 - math.exp(-epoch / 3)) * gain
    return EpochRecord(
        epoch=epoch,
        train_loss=(1.9 * math.exp(-epoch / 7) + 0.1) / gain,
        train_accuracy=train_accuracy,
        valid_loss=1.9 * math.exp(-epoch / 7) + 0.05 if leaky else unseen_loss,
        valid_accuracy=min(0.97, train_accuracy + 0.03) if leaky else valid_accuracy,
        honest_loss=unseen_loss if leaky else None,
        honest_accuracy=valid_accuracy if leaky else None,
        learning_rate=3e-3 / epoch,
        seconds=31.0,
        images_per_second=926.0,
    )


def append_epoch(run: Run, record: EpochRecord, epochs: int) -> None:
    """What a trainer writes at the end of an epoch."""
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(record.model_dump_json() + "\n")
    with (run.path / "log.txt").open("a") as file:
        file.write("".join(line + "\n" for line in record.log_lines()))
    write_status(run, "running", epoch=record.epoch, epochs=epochs)


def write_status(run: Run, state: str, **values: Any) -> None:
    """Replace ``status.json``."""
    write_json(run.path / "status.json", Status.parse({"state": state, "heartbeat": time.time(), **values}).to_dict())


def make_run(
    name: str = "a run",
    *,
    epochs: int = 3,
    planned: int | None = None,
    state: str = "finished",
    error: str | None = None,
    weights: bool = False,
    gain: float = 1.0,
    workspace: Workspace | None = None,
    **settings: Any,
) -> Run:
    """A run with some epochs written; with ``weights`` it also holds a usable checkpoint."""
    planned = planned or max(1, epochs)
    config = TrainConfig(epochs=planned, **settings)
    run = create_run(config, name, workspace=workspace or Workspace.default())
    leaky = config.protocol == "leaky"
    records = [make_record(epoch, leaky=leaky, gain=gain) for epoch in range(1, epochs + 1)]
    for record in records:
        append_epoch(run, record, planned)
    write_status(run, state, epoch=epochs, epochs=planned, error=error)
    if weights and records:
        n = 3589
        best = max(records, key=lambda r: r.valid_accuracy)
        metrics: dict[str, Any] = {}
        for split, accuracy in (("valid", best.valid_accuracy), ("honest", best.honest_accuracy)):
            if accuracy is not None:
                interval = wilson_interval(round(accuracy * n), n)
                metrics[split] = {"n": n, "accuracy": accuracy, "accuracy_ci95": list(interval)}
        untrained_checkpoint(run.path / "best.safetensors", protocol=config.protocol, metrics=metrics, epoch=best.epoch)
    return run
