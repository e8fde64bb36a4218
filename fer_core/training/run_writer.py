"""Writes the run directory for the trainer, and reads it back to resume."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

from fer_core.config import TrainConfig
from fer_core.errors import CheckpointError, FerError, RunError
from fer_core.evaluation import Evaluation, Predictions, wilson_interval
from fer_core.inference import CheckpointInfo, save_checkpoint
from fer_core.inference.checkpoint import load_plain
from fer_core.training.loop import Training
from fer_core.training.outputs import Output
from fer_core.training.runs import EpochRecord, Run, Status
from fer_core.workspace import atomic_write, write_json

_STATUS_EVERY: Final = 0.5  # seconds between writes of status.json
_CHECKPOINT_EVERY: Final = {"cpu": 0.0, "cuda": 10.0}
"""Minimum seconds between checkpoints: on a GPU an epoch takes less time than a write."""
_CHECKPOINT_SCHEMA: Final = 1


class RunWriter:
    """Writes every file of one run except ``config.json`` and ``label.json``; the process holds the run's lock."""

    def __init__(self, run: Run, config: TrainConfig) -> None:
        """Create the writer; nothing is written before :meth:`start` or :meth:`fail`."""
        self.run = run
        self.status = Status(state="running", epochs=config.epochs, heartbeat=time.time())
        self._before = run.status
        self._started = False
        self._last_write = 0.0
        self._last_checkpoint = -math.inf

    def write_status(self, force: bool = False, **changes: Any) -> None:
        """Change fields of the status and write it, at most twice a second unless ``force`` is set."""
        now = time.time()
        self.status = self.status.model_copy(update={**changes, "heartbeat": now})
        if force or abs(now - self._last_write) >= _STATUS_EVERY:
            self.run.write_status(self.status)
            self._last_write = now

    def fail(self, message: str, state: str = "failed") -> None:
        """Record why the run ended, if the disk allows; otherwise its free lock marks the run as lost.

        A run that could not be resumed keeps the state it had, with the reason beside it.
        """
        if not self._started and (self.run.path / "last.ckpt").exists():
            if self._before.state == "starting":
                state = self._before.previous or "failed"
                restored = self._before.model_copy(update={"state": state, "previous": None, "error": message})
                with contextlib.suppress(FerError, OSError):
                    self.run.write_status(restored)
            return
        with contextlib.suppress(FerError, OSError):
            self.write_status(force=True, state=state, error=message)
        with contextlib.suppress(FerError, OSError):
            self.log(message)

    def log(self, line: str) -> None:
        """Append a line to ``log.txt``."""
        with (self.run.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def environment(self, environment: dict[str, Any]) -> None:
        """Write ``environment.json``."""
        write_json(self.run.path / "environment.json", environment)

    def epoch(self, record: EpochRecord) -> None:
        """Append an epoch to ``metrics.jsonl`` and ``log.txt``."""
        with (self.run.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
        for line in record.log_lines():
            self.log(line)

    def start(self, training: Training, notes: Sequence[str]) -> None:
        """Restore a training from ``last.ckpt`` if it exists, rewrite metrics and log to match it, and set the state.

        Args:
            training: a new training with the run's settings.
            notes: sentences for the top of the log.

        Raises:
            RunError: the checkpoint is damaged, from a newer version, or belongs to other data or classes.
        """
        if (self.run.path / "last.ckpt").exists():
            self._load(training)  # raises before anything is written
        self._started = True
        self.write_status(force=True)
        if training.config.data != self.run.config.data:
            self.run.move_data(training.config.data)
        self._rewrite(training.records(), notes)

    def checkpoint(self, training: Training, force: bool = True) -> None:
        """Write ``last.ckpt``; without ``force``, only if the previous one is old enough."""
        now = time.monotonic()
        if not force and now - self._last_checkpoint < _CHECKPOINT_EVERY[training.compute.device]:
            return
        self._last_checkpoint = now
        state = {
            "schema_version": _CHECKPOINT_SCHEMA,
            "fingerprint": training.dataset.fingerprint,
            "classes": list(training.dataset.classes),
            "data": training.dataset.cache_key,
            "targets": training.targets_key(),
            "training": training.state_dict(),
        }
        with atomic_write(self.run.path / "last.ckpt") as file:
            torch.save(state, file)

    def best_path(self, output: Output) -> Path:
        """Return the path of the best weights for an output: ``best.safetensors`` or ``best-labels.safetensors``."""
        return self.run.path / f"best{output.suffix}.safetensors"

    def best(self, training: Training, origin: dict[str, Any], record: EpochRecord) -> None:
        """Write the current weights with the metrics of the epoch, one file per output.

        Args:
            training: the training after this epoch.
            origin: the fields of a checkpoint's record that describe where it comes from.
            record: the record of the epoch.
        """
        created = datetime.now(UTC).isoformat(timespec="seconds")
        split = training.split
        for output, classifier in zip(training.outputs, training.classifiers, strict=True):
            of_output = record.outputs.get(output.target, record)
            accuracy = _accuracy(of_output.valid_accuracy, len(output.with_truth(split.valid)))
            figures: dict[str, Any] = {"valid": {**accuracy, "loss": of_output.valid_loss}}
            if split.leak_free is not None and of_output.honest_accuracy is not None:
                figures["honest"] = _accuracy(of_output.honest_accuracy, len(output.with_truth(split.leak_free)))
            best = {**origin, "epoch": record.epoch, "metrics": figures, "created": created}
            info = classifier.info.model_copy(update=best)
            save_checkpoint(self.best_path(output), training.weights(output), info)

    def calibrated(self, output: Output, weights: dict[str, torch.Tensor], info: CheckpointInfo) -> None:
        """Write the best weights for this output again, with their calibration."""
        save_checkpoint(self.best_path(output), weights, info)

    def evaluation(self, name: str, output: Output, predictions: Predictions) -> Evaluation:
        """Write an output's predictions for a split and the figures computed from them; return the figures."""
        predictions.save(self.run.path / f"predictions-{name}{output.suffix}.npz")
        evaluation = Evaluation.of(predictions, name)
        write_json(self.run.path / f"evaluation-{name}{output.suffix}.json", evaluation.to_dict())
        return evaluation

    def _load(self, training: Training) -> None:
        data = training.dataset
        name = f"The run '{self.run.label.name}'"
        try:
            state = load_plain(self.run.path / "last.ckpt", training.compute.device)
            if state["schema_version"] > _CHECKPOINT_SCHEMA:
                raise RunError(f"{name} was written by a newer FER Lab. Update FER Lab to resume it.")
            if state["fingerprint"] != data.fingerprint:
                raise RunError(
                    f"The data at '{training.config.data}' has changed since the run '{self.run.label.name}' started. "
                    "Restore the original data, or start a new run initialized from its weights."
                )
            began = tuple(state.get("classes", data.classes))  # missing in the files of older versions
            if began != data.classes.names or state.get("data", data.cache_key) != data.cache_key:
                raise RunError(
                    f"{name} started with the classes {', '.join(began)}, but its settings now give "
                    f"{', '.join(data.classes)}, or map the faces to them differently. Restore its config.json, or "
                    "start a new run initialized from its weights."
                )
            if state.get("targets", training.targets_key()) != training.targets_key():
                raise RunError(
                    f"The votes on '{training.config.data}' have changed since the run '{self.run.label.name}' started. "
                    "Restore the original votes, or start a new run initialized from its weights."
                )
            training.load_state_dict(state["training"])
        except RunError:
            raise
        except (CheckpointError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{name} cannot be resumed because last.ckpt is damaged. Start a new run initialized from its best weights."
            ) from error

    def _rewrite(self, records: Sequence[EpochRecord], notes: Sequence[str]) -> None:
        with atomic_write(self.run.path / "metrics.jsonl") as file:
            file.write("".join(record.model_dump_json() + "\n" for record in records).encode())
        with atomic_write(self.run.path / "log.txt") as file:
            lines = [*(f"Note: {note}" for note in notes), *(line for r in records for line in r.log_lines())]
            file.write("".join(line + "\n" for line in lines).encode())


def _accuracy(accuracy: float, n: int) -> dict[str, Any]:
    """Return an accuracy with its interval, in the form checkpoints store."""
    return {"n": n, "accuracy": accuracy, "accuracy_ci95": list(wilson_interval(round(accuracy * n), n))}
