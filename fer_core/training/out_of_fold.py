"""Out-of-fold probabilities: what a network says of each training face that never saw it. The base of suspect labels.

The faces are dealt into folds, exact copies on one side; for each fold a network trains on the others and answers this
one. The work lies in ``cache/out-of-fold/<key>/`` (status.json, fold-N.npy, probabilities.npz, run.lock, stop), keyed by
data and settings; a second call reads the result. Like a training it can run in a process of its own and be stopped;
folds that were finished are kept, and the next call goes on with the others.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from pydantic import Field

from fer_core.config import Config, TrainConfig
from fer_core.data import FaceDataset, ProtocolSplit
from fer_core.data.duplicates import pixel_groups
from fer_core.errors import BusyError, ConfigError, DataError, FerError
from fer_core.workspace import Workspace, atomic_write, make_directory, write_json

FOLDS = 3
EPOCHS = 8
STARTING_GRACE = 60.0  # seconds a background process may take until it holds the lock


FoldState = Literal["starting", "running", "stopped", "finished", "failed"]


class FoldStatus(Config):
    """What ``status.json`` says; its writer is the process that does the work."""

    state: FoldState = "starting"
    done: int = Field(0, ge=0, description="Epochs done, over all folds.")
    total: int = Field(FOLDS * EPOCHS, ge=1)
    seconds_left: float | None = None
    heartbeat: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class OutOfFold:
    """One computation, done or not; every property reads the disk afresh."""

    path: Path

    @property
    def status(self) -> FoldStatus:
        """What was last written; a blank status where there is none."""
        try:
            return FoldStatus.parse((self.path / "status.json").read_bytes())
        except (OSError, ConfigError):
            return FoldStatus()

    @property
    def state(self) -> Literal["none", "starting", "running", "stopping", "stopped", "finished", "failed", "lost"]:
        """The status checked against the lock."""
        if not (self.path / "status.json").exists():
            return "none"
        if (self.path / "probabilities.npz").exists():
            return "finished"
        if self._alive():
            return "stopping" if (self.path / "stop").exists() else "running"
        status = self.status
        if status.state == "starting" and abs(time.time() - status.heartbeat) < STARTING_GRACE:
            return "starting"
        return "lost" if status.state in ("starting", "running", "finished") else status.state

    def _alive(self) -> bool:
        try:
            with FileLock(self.path / "run.lock", timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    def request_stop(self) -> None:
        """Ask the work to stop; harmless when nothing runs."""
        if self.path.is_dir():
            (self.path / "stop").touch()

    def fold_file(self, number: int) -> Path:
        """Where the answers of one finished fold are kept until all are done."""
        return self.path / f"fold-{number}.npy"

    def kept_fold(self, number: int, faces: int) -> npt.NDArray[np.float32] | None:
        """The answers of a fold finished earlier, float32 (faces, 7); None where there are none that can be used."""
        try:
            answers = np.load(self.fold_file(number), allow_pickle=False)
        except Exception:  # missing or damaged: computed anew; damaged files raise nearly anything
            return None
        return answers if answers.shape == (faces, 7) and answers.dtype == np.float32 else None

    def read(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Positions int64 (n,) in the data set and probabilities float32 (n, 7).

        Raises:
            DataError: there is no result, or it is damaged.
        """
        try:
            with (self.path / "probabilities.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                return file["positions"], file["probabilities"]
        except Exception as error:  # damaged archives raise nearly anything
            raise DataError("The out-of-fold probabilities are missing or damaged; compute them again.") from error


def default_config() -> TrainConfig:
    """The settings used: the seed network, a few epochs, plain augmentation."""
    return TrainConfig(epochs=EPOCHS, label_smoothing=0.0)


def find(dataset: FaceDataset, config: TrainConfig | None = None, workspace: Workspace | None = None) -> OutOfFold:
    """The computation for this data and these settings, whether it exists yet or not.

    Settings count where they differ from their defaults, so that a setting added later does not discard what was kept.
    """
    machine = {"data", "device", "threads", "precision"}
    settings = (config or default_config()).model_dump(mode="json", exclude_defaults=True, exclude=machine)
    key = hashlib.sha256(f"{dataset.fingerprint} {FOLDS} {json.dumps(settings, sort_keys=True)}".encode()).hexdigest()
    return OutOfFold((workspace or Workspace.default()).cache / "out-of-fold" / key[:20])


def fold_of_each(dataset: FaceDataset, indices: npt.NDArray[np.int64], seed: int = 0) -> npt.NDArray[np.int64]:
    """Fold 0…FOLDS-1 of each face, int64 (n,); copies share a fold, classes are spread evenly."""
    groups = pixel_groups(dataset.images[indices])
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    labels = dataset.labels[indices][first]
    rng = np.random.default_rng(seed)
    fold = np.empty(len(first), dtype=np.int64)
    for label in np.unique(labels):
        mine = rng.permutation(np.flatnonzero(labels == label))
        fold[mine] = np.arange(len(mine)) % FOLDS
    return fold[member]


def compute(
    dataset: FaceDataset,
    config: TrainConfig | None = None,
    *,
    workspace: Workspace | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> OutOfFold:
    """Compute the probabilities for all faces of the train split, or find them in the cache; finished folds too.

    Raises:
        BusyError: a training runs in this workspace.
        DataError: there are too few faces.
        FerError: stopped before the end.
    """
    from fer_core.inference import Classifier
    from fer_core.training.device import choose_compute
    from fer_core.training.loop import Training, torch_settings
    from fer_core.training.runs import refuse_if_busy

    workspace = workspace or Workspace.default()
    config = config or default_config()
    job = find(dataset, config, workspace)
    if job.state == "finished":
        return job
    indices = dataset.indices("train")
    fold = fold_of_each(dataset, indices)
    if min(np.bincount(fold, minlength=FOLDS)) == 0 or len(indices) * (FOLDS - 1) // FOLDS < config.batch_size:
        raise DataError(f"{dataset.name} has too few training faces ({len(indices)}) for {FOLDS} folds.")
    refuse_if_busy(workspace)
    make_directory(job.path)
    make_directory(workspace.runs)
    try:
        with FileLock(workspace.runs / ".training.lock", timeout=2), FileLock(job.path / "run.lock", timeout=2):
            (job.path / "stop").unlink(missing_ok=True)
            total, started = FOLDS * config.epochs, time.time()

            def write(state: FoldState, done: int, error: str | None = None) -> None:
                now = time.time()
                here = done - kept_epochs  # epochs trained by this process; the others say nothing about its speed
                left = (now - started) / here * (total - done) if here > 0 and state == "running" else None
                record = FoldStatus(
                    state=state, done=done, total=total, seconds_left=left, heartbeat=now, error=error
                )  # fmt: skip
                write_json(job.path / "status.json", record.to_dict())
                if on_progress:
                    on_progress(done, total)

            def stopping() -> bool:
                return (job.path / "stop").exists() or bool(should_stop and should_stop())

            done = kept_epochs = 0
            write("running", done)
            compute_on = choose_compute(config)
            probabilities = np.zeros((len(indices), 7), dtype=np.float32)
            try:
                with torch_settings(compute_on):
                    for number in range(FOLDS):
                        held_out = indices[fold == number]
                        kept = job.kept_fold(number, len(held_out))
                        if kept is not None:
                            probabilities[fold == number] = kept
                            done += config.epochs
                            kept_epochs += config.epochs
                            write("running", done)
                            continue
                        split = ProtocolSplit("holdout", indices[fold != number], held_out)
                        training = Training(config, dataset, split, compute_on)
                        while not training.finished:
                            if stopping() or training.run_epoch(should_stop=stopping) is None:
                                write("stopped", done)
                                raise FerError(
                                    f"The search for suspect labels was stopped; {number} of {FOLDS} folds are kept, "
                                    "and the next search goes on from there."
                                )
                            done += 1
                            write("running", done)
                        classifier: Classifier = training.classifier
                        answers = classifier.probabilities(dataset.images[held_out])
                        probabilities[fold == number] = answers
                        with atomic_write(job.fold_file(number)) as file:
                            np.save(file, answers)
            except FerError as error:
                if job.status.state != "stopped":
                    write("failed", done, str(error))
                raise
            with atomic_write(job.path / "probabilities.npz") as file:
                np.savez(file, positions=indices, probabilities=probabilities)
            write("finished", total)
            for number in range(FOLDS):
                job.fold_file(number).unlink(missing_ok=True)
    except Timeout as error:
        raise BusyError("A training is running in this workspace; wait until it ends, then start again.") from error
    return job


def start(
    source: str, dataset: FaceDataset, workspace: Workspace | None = None, *, skip_broken: bool = False
) -> OutOfFold:
    """Start the computation in a process of its own; follow it with :func:`find`.

    Args:
        source: where that process reads the faces.
        dataset: the same faces, read.
        workspace: where the work lies.
        skip_broken: leave out faces that cannot be read, as ``dataset`` did.

    Raises:
        BusyError: a training runs in this workspace.
    """
    from fer_core.training.jobs import spawn
    from fer_core.training.runs import refuse_if_busy

    workspace = workspace or Workspace.default()
    job = find(dataset, workspace=workspace)
    if job.state in ("finished", "starting", "running", "stopping"):
        return job
    refuse_if_busy(workspace)
    make_directory(job.path)
    write_json(job.path / "status.json", FoldStatus(heartbeat=time.time()).to_dict())
    arguments = ["audit", source, "--suspects", "--json", *(["--skip-broken"] if skip_broken else [])]
    spawn(arguments, workspace, job.path / "console.txt")
    return job
