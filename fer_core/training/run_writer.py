"""The trainer's side of the run directory."""

from __future__ import annotations

import contextlib
import math
import time
from typing import IO, Any

import torch

from fer_core.config import TrainConfig
from fer_core.errors import FerError
from fer_core.training.loop import Training
from fer_core.training.runs import EpochRecord, Run, Status
from fer_core.workspace import atomic_write

_STATUS_EVERY = 0.5  # seconds between writes of status.json
_CHECKPOINT_EVERY = {"cpu": 0.0, "cuda": 10.0}  # seconds, at epochs' ends: on a GPU an epoch is shorter than a write
_CHECKPOINT_SCHEMA = 1


class RunWriter:
    """The trainer's side of the run directory."""

    def __init__(self, run: Run, config: TrainConfig) -> None:
        self.run, self.config = run, config
        self.status = Status(state="running", epochs=config.epochs, heartbeat=time.time())
        self._last_write = 0.0
        self._last_checkpoint = -math.inf
        self._log: IO[str] | None = None
        self.write_status(force=True)

    def write_status(self, force: bool = False, **changes: Any) -> None:
        """Change fields of the status; the file follows, not more often than twice a second unless forced."""
        now = time.time()
        self.status = self.status.model_copy(update={**changes, "heartbeat": now})
        if force or abs(now - self._last_write) >= _STATUS_EVERY:
            self.run.write_status(self.status)
            self._last_write = now

    def fail(self, message: str, state: str = "failed") -> None:
        """Write the reason as far as the disk allows; a run that cannot say it ended is found lost by its lock."""
        with contextlib.suppress(FerError, OSError):
            self.write_status(force=True, state=state, error=message)
        with contextlib.suppress(FerError, OSError):
            self.log(message)

    def log(self, line: str) -> None:
        """Append a line to ``log.txt``."""
        with (self.run.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def rewrite(self, records: list[EpochRecord]) -> None:
        """Bring metrics and log back to what the checkpoint knows, after an interruption."""
        with atomic_write(self.run.path / "metrics.jsonl") as file:
            file.write("".join(record.model_dump_json() + "\n" for record in records).encode())
        with atomic_write(self.run.path / "log.txt") as file:
            file.write("".join(line + "\n" for record in records for line in record.log_lines()).encode())

    def epoch(self, record: EpochRecord) -> None:
        """Append an epoch to ``metrics.jsonl`` and ``log.txt``."""
        with (self.run.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
        for line in record.log_lines():
            self.log(line)

    def checkpoint(self, training: Training, fingerprint: str, force: bool = True) -> None:
        """Write ``last.ckpt``; unless forced, only when the last one has grown old."""
        now = time.monotonic()
        if not force and now - self._last_checkpoint < _CHECKPOINT_EVERY[training.compute.device]:
            return
        self._last_checkpoint = now
        state = {
            "schema_version": _CHECKPOINT_SCHEMA,
            "fingerprint": fingerprint,
            "training": training.state_dict(),
        }
        with atomic_write(self.run.path / "last.ckpt") as file:
            torch.save(state, file)
