"""The run directory: every file a training writes, and how other processes read it in the meantime.

``runs/<utc time>-<name>-<4 hex>/`` holds

    config.json          the settings, written once
    launch.json          which torchrun started it, so that a restart of the same command finds it; written once
    label.json           the run's name and notes; written by pages and the command line
    environment.json     machine, versions, device, precision, threads
    status.json          state, epoch, step, images/s, heartbeat, error; replaced atomically
    metrics.jsonl        one object per epoch, appended
    log.txt              the human-readable log
    console.txt          output of the background process, for internal errors
    last.ckpt            everything needed to resume
    best.safetensors     the best weights so far, ready to use
    best-labels.safetensors   with targets "both": the labels output (best.safetensors is the votes output)
    evaluation-*.json, predictions-*.npz
    run.lock             locked by the trainer while it is alive
    process.lock         locked while a process that was started for it lives
    stop                 exists if somebody asked the trainer to stop

Each file has one writer. A process killed at any byte leaves a directory that still opens.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from fer_core.config import Config, TrainConfig
from fer_core.errors import BusyError, ConfigError, RunError
from fer_core.jobs import ACTIVE, RESUMABLE, Job, JobState, JobStatus, WrittenState, held, is_held
from fer_core.resources import asset
from fer_core.workspace import Workspace, make_directory, write_json

SCHEMA = 1
_TRAINING_LOCK: Final = ".training.lock"

State = JobState | Literal["damaged"]


class Status(JobStatus):
    """The content of a run's ``status.json``."""

    schema_version: int = SCHEMA
    epoch: int = Field(0, ge=0, description="Epochs completed.")
    epochs: int = Field(0, ge=0, description="Epochs planned.")
    step: int = Field(0, ge=0, description="Steps done in the running epoch.")
    steps_per_epoch: int = Field(0, ge=0)
    images_per_second: float = Field(0.0, ge=0)
    seconds_left: float | None = None
    learning_rate: float | None = None
    train_loss: float | None = Field(None, description="Mean over the running epoch so far.")
    train_accuracy: float | None = None
    previous: WrittenState | None = Field(None, description="The state before an attempt to resume.")


class OutputRecord(Config):
    """Metrics of one output after an epoch, for networks with several outputs."""

    valid_loss: float
    valid_accuracy: float
    honest_loss: float | None = None
    honest_accuracy: float | None = None


class EpochRecord(Config):
    """One line of ``metrics.jsonl``. Losses are cross-entropy in nats without label smoothing.

    For a network with several outputs, losses and accuracies are means over the outputs.
    """

    epoch: int = Field(ge=1)
    train_loss: float
    train_accuracy: float = Field(description="Measured on the augmented faces during the epoch.")
    valid_loss: float
    valid_accuracy: float
    honest_loss: float | None = Field(
        None, description="Leak-free: on faces the network never saw (protocol leaky only)."
    )
    honest_accuracy: float | None = None
    learning_rate: float
    seconds: float
    images_per_second: float
    outputs: dict[str, OutputRecord] = Field(
        default_factory=dict, description="Metrics by target, for networks with several outputs."
    )

    def log_lines(self) -> list[str]:
        """Return the log lines in the lab report's format."""
        lines = [
            f"Epoch: {self.epoch}, train Loss: {self.train_loss:.4f}, train Acc: {self.train_accuracy:.4f}",
            f"Epoch: {self.epoch}, valid Loss: {self.valid_loss:.4f}, valid Acc: {self.valid_accuracy:.4f}",
        ]
        if self.honest_accuracy is not None:
            lines.append(
                f"Epoch: {self.epoch}, honest Loss: {self.honest_loss:.4f}, honest Acc: {self.honest_accuracy:.4f}"
            )
        for target, output in self.outputs.items():
            lines.append(
                f"Epoch: {self.epoch}, valid {target} Loss: {output.valid_loss:.4f}, "
                f"valid {target} Acc: {output.valid_accuracy:.4f}"
            )
        return lines


class Label(Config):
    """A run's name and notes."""

    name: str = Field(min_length=1, max_length=80)
    notes: str = Field("", max_length=20_000)


@dataclass(frozen=True)
class Run(Job):
    """A run directory. Every property reads the disk anew, so it follows a training in another process."""

    status_type = Status

    @property
    def id(self) -> str:
        """The name of the directory."""
        return self.path.name

    @property
    def label(self) -> Label:
        """Name and notes; the directory's name if ``label.json`` is missing or damaged."""
        try:
            return Label.parse((self.path / "label.json").read_bytes())
        except (OSError, ConfigError):
            return Label(name=self.id[:80])

    @property
    def config(self) -> TrainConfig:
        """The settings.

        Raises:
            RunError: the file is missing, damaged, not ours or from a newer version.
        """
        return _read_config(self.path)

    @property
    def status(self) -> Status:
        """The status the trainer last wrote; a default status if the file is missing or damaged."""
        found = super().status
        assert isinstance(found, Status)  # guaranteed by status_type
        return found

    @property
    def state(self) -> State:
        """The state according to status and lock; "damaged" if the settings cannot be read."""
        try:
            _read_config(self.path)
        except RunError:
            return "damaged"
        return self.watched_state()

    def records(self) -> list[EpochRecord]:
        """Return the epochs written so far; an incomplete last line is ignored."""
        return read_records(self.path / "metrics.jsonl")

    def log_tail(self, lines: int = 200) -> list[str]:
        """Return the last lines of ``log.txt``."""
        try:
            return (self.path / "log.txt").read_text(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    @property
    def processes(self) -> int:
        """Number of processes that share its training, as it last ran; 1 before its first start."""
        found = self.environment().get("processes", 1)
        return found if isinstance(found, int) else 1

    def environment(self) -> dict[str, Any]:
        """Return machine, versions, device, precision and threads; empty if not written yet."""
        try:
            found = json.loads((self.path / "environment.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def evaluation(self, split: str) -> dict[str, Any] | None:
        """Return the record of ``evaluation-<split>.json``; None if it is missing or damaged."""
        try:
            found = json.loads((self.path / f"evaluation-{split}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def move_data(self, data: str) -> None:
        """Record that the run's data is now at ``data``."""
        config = self.config.model_copy(update={"data": data})
        write_json(self.path / "config.json", {"schema_version": SCHEMA, "config": config.to_dict()})

    def best(self) -> EpochRecord | None:
        """Return the record of the best epoch, whose weights are in ``best.safetensors``."""
        return best_record(self.records())


def best_record(records: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the record with the highest validation accuracy, then the lowest validation loss, then the first."""
    return min(records, key=lambda r: (-r.valid_accuracy, r.valid_loss, r.epoch), default=None)


def read_records(path: Path) -> list[EpochRecord]:
    """Read the epoch records of a ``metrics.jsonl``; incomplete lines are ignored."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(EpochRecord.model_validate_json(line))
        except ValidationError:
            continue
    return found


def slug(name: str) -> str:
    """Reduce ``name`` to at most 40 letters, digits and dashes, for use in a directory name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "run"


def create_run(
    config: TrainConfig, name: str | None = None, *, workspace: Workspace, launch: Mapping[str, str] | None = None
) -> Run:
    """Create a run directory with its settings.

    Args:
        config: the settings.
        name: the name of the run; None makes one from the settings.
        workspace: where to create it.
        launch: which ``torchrun`` starts it, see :func:`find_launched`; None if none does.

    Raises:
        DataError, ModelError: the settings name data or models that the user of the workspace may not read.
        WorkspaceError: the workspace cannot be written.
    """
    if workspace.readable is not None:
        refuse_unreadable_settings(config, workspace)
    runs = make_directory(workspace.runs)
    name = (name or f"{config.model} {config.protocol}").strip()[:80]
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = runs / f"{stamp}-{slug(name)}-{secrets.token_hex(2)}"
    make_directory(path)
    write_json(path / "label.json", Label(name=name).to_dict())
    run = Run(path)
    run.write_status(Status(heartbeat=time.time(), epochs=config.epochs))
    if launch is not None:
        write_json(path / "launch.json", launch)
    # Written last: without it, the directory is not a run yet.
    write_json(path / "config.json", {"schema_version": SCHEMA, "config": with_absolute_paths(config).to_dict()})
    return run


def refuse_unreadable_settings(config: TrainConfig, workspace: Workspace) -> None:
    """Refuse settings that name files which the user of the workspace may not read: the training itself reads all.

    Raises:
        DataError, ModelError: data, votes or a model are not among what the workspace allows.
    """
    from fer_core.data.source import refuse_unreadable
    from fer_core.inference import resolve_model

    refuse_unreadable(config.data, workspace)
    if config.votes is not None:
        refuse_unreadable(config.votes, workspace)
    for model in filter(None, (config.init_from, *config.teachers)):
        resolve_model(model, workspace)


def find_launched(config: TrainConfig, launch: Mapping[str, str], workspace: Workspace) -> Run | None:
    """Return the run that a restarted or repeated ``torchrun`` command should continue; None if it should start a new one.

    A restart by ``torchrun`` itself finds its run in any state. A repeated command finds an unfinished run with the same
    settings if both were given the same run id (``--rdzv-id``).

    Args:
        config: the settings that the command gives.
        launch: ``folder``, which only restarts by one ``torchrun`` share, and ``run_id``; "" if there is none.
        workspace: where runs are.
    """
    for run in list_runs(workspace):
        try:
            before = json.loads((run.path / "launch.json").read_bytes())
            if not isinstance(before, dict) or run.config != with_absolute_paths(config):
                continue
        except (OSError, ValueError, RunError):
            continue
        restarted = launch["folder"] and before.get("folder") == launch["folder"]
        repeated = launch["run_id"] and before.get("run_id") == launch["run_id"] and run.state in RESUMABLE
        if restarted or repeated:
            return run
    return None


def absolute_source(source: str) -> str:
    """Return the absolute path of a data source or model, so that a run finds it from any folder.

    Names that are not existing paths (``synthetic``, shipped models, runs) are returned unchanged.
    """
    path = Path(source).expanduser()
    is_name = path.name == source and path.suffix != ".safetensors"
    shipped = is_name and asset("models", f"{source}.safetensors").is_file()
    return source if shipped or source.partition(":")[0] == "synthetic" or not path.exists() else str(path.absolute())


def with_absolute_paths(config: TrainConfig) -> TrainConfig:
    """Return the settings with absolute paths of data, votes and models."""
    changes: dict[str, Any] = {"data": absolute_source(config.data)}
    if config.votes is not None:
        changes["votes"] = absolute_source(config.votes)
    if config.init_from is not None:
        changes["init_from"] = absolute_source(config.init_from)
    changes["teachers"] = tuple(map(absolute_source, config.teachers))
    return config.model_copy(update=changes)


def open_run(run: str | Path, workspace: Workspace) -> Run:
    """Open a run by its id, its unique name or its path.

    Raises:
        RunError: the run does not exist, is ambiguous or damaged, or the directory is not a run.
    """
    text = str(run)
    path = workspace.runs / text if Path(text).name == text and text not in ("", ".", "..") else Path(text)
    if not path.is_dir():
        named = [candidate for candidate in list_runs(workspace) if candidate.label.name == text]
        if len(named) == 1:
            return named[0]
        if named:
            raise RunError(f"Several runs are named '{text}': {', '.join(r.id for r in named)}. Use one of these ids.")
        raise RunError(f"There is no run '{text}' in {workspace.runs}. List the runs with: python -m fer_core runs")
    _read_config(path)
    return Run(path)


def list_runs(workspace: Workspace) -> list[Run]:
    """List all run directories, newest first, including damaged ones."""
    runs = workspace.runs
    if not runs.is_dir():
        return []
    return [
        Run(p) for p in sorted(runs.iterdir(), key=lambda p: p.name, reverse=True) if p.is_dir() and p.name[0] != "."
    ]


def running(workspace: Workspace) -> Run | None:
    """Return the run that is training or starting in this workspace, if any."""
    return next((run for run in list_runs(workspace) if run.state in ACTIVE), None)


def is_training(workspace: Workspace) -> bool:
    """Whether a process trains networks in this workspace: a run, or a search for suspect labels."""
    return is_held(workspace.runs / _TRAINING_LOCK) or running(workspace) is not None


def refuse_if_busy(workspace: Workspace, besides: Run | None = None) -> None:
    """Raise an error if a training is running in this workspace: one at a time is allowed.

    Args:
        workspace: the workspace.
        besides: a run that does not count.

    Raises:
        BusyError: a training is running; the message names it.
    """
    other = running(workspace)
    if other is not None and (besides is None or other.path != besides.path):
        raise BusyError(
            f"'{other.label.name}' is already training ({other.id}). Wait until it ends or stop it, then start this one."
        )


@contextmanager
def only_training(workspace: Workspace, job: Job, what: str) -> Iterator[None]:
    """Hold the workspace's training lock and the lock of ``job`` while the block runs.

    Args:
        workspace: the workspace, which allows one training at a time.
        job: the training, or another job that trains networks.
        what: the subject of an error message, such as "The run 'first'".

    Raises:
        BusyError: another training is running; the message names it.
        RunError: another process is working on this job.
    """

    def refusal() -> BusyError:
        other = running(workspace)
        named = f"'{other.label.name}'" if other and other.path != job.path else "Another run"
        return BusyError(f"{named} is already training. Wait until it ends or stop it, then start this one.")

    with held(make_directory(workspace.runs) / _TRAINING_LOCK, refusal), job.hold(what):
        yield


def rename_run(run: Run, name: str, notes: str | None = None) -> None:
    """Change a run's name and notes.

    Raises:
        ConfigError: the name is empty or too long.
    """
    write_json(
        run.path / "label.json",
        Label.parse({"name": name.strip(), "notes": run.label.notes if notes is None else notes}).to_dict(),
    )


def delete_run(run: Run) -> None:
    """Delete a run directory.

    Raises:
        RunError: the run is training, or the directory cannot be deleted.
    """
    if run.state in ACTIVE:
        raise RunError(f"The run '{run.label.name}' is training. Stop it before you delete it.")
    if run.path.is_symlink():
        run.path.unlink()
        return
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise RunError(f"The run '{run.label.name}' cannot be deleted ({error.strerror}).") from error


def _read_config(path: Path) -> TrainConfig:
    try:
        record = json.loads((path / "config.json").read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run directory (it has no config.json).") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: config.json is damaged. The run cannot be used; delete it.") from error
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise RunError(f"{path} is not a FER Lab run directory (config.json has a different structure).")
    if not isinstance(record.get("schema_version"), int) or record["schema_version"] > SCHEMA:
        raise RunError(f"{path} was written by a newer FER Lab. Update FER Lab to open it.")
    try:
        # Runs older than this setting were trained on whole images.
        return TrainConfig.parse({"crop": "none", **record["config"]})
    except ConfigError as error:
        raise RunError(f"{path}: config.json is damaged. {error}") from error
