"""Computes out-of-fold probabilities of the training faces, the basis for finding suspect labels.

The faces are split into folds, with duplicates in one fold; for each fold a network is trained on the other folds and
predicts this one. The result is cached by data and settings. Like a training, the computation is a job that can run in a
separate process and be stopped; finished folds are cached, and the next call computes only the missing ones.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, ProtocolSplit
from fer_core.data.duplicates import pixel_groups
from fer_core.data.reading import Reading
from fer_core.errors import DataError, FerError, WorkspaceError
from fer_core.jobs import ACTIVE, Job, JobState, JobStatus, WrittenState
from fer_core.store import Arrays, Entry, Store
from fer_core.workspace import Workspace, make_directory

FOLDS = 3
EPOCHS = 8


class FoldStatus(JobStatus):
    """The content of this job's ``status.json``."""

    done: int = Field(0, ge=0, description="Epochs completed, over all folds.")
    total: int = Field(FOLDS * EPOCHS, ge=1)
    seconds_left: float | None = None


@dataclass(frozen=True)
class OutOfFold(Job):
    """One computation, finished or not. Every property reads the disk anew.

    Attributes:
        workspace: the workspace whose store caches the result.
        key: identifies data and settings.
        classes: the number of classes.
    """

    workspace: Workspace
    key: str
    classes: int

    status_type = FoldStatus

    @property
    def status(self) -> FoldStatus:
        """The status last written; a default status if there is none."""
        found = super().status
        assert isinstance(found, FoldStatus)  # guaranteed by status_type
        return found

    @property
    def state(self) -> JobState | Literal["none"]:
        """The state according to status, lock and store; "none" if the computation was never started."""
        if self._store.path("out-of-fold", self.key).exists():
            return "finished"
        if not (self.path / "status.json").exists():
            return "none"
        state = self.watched_state()
        return "lost" if state == "finished" else state  # the result was evicted from the store

    def put(self, positions: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> None:
        """Store the result: positions int64 (n,) in the data set and probabilities float32 (n, C).

        Raises:
            WorkspaceError: the result cannot be stored.
        """
        arrays: Arrays = {"positions": positions, "probabilities": probabilities}
        problem = self._store.put("out-of-fold", self.key, arrays)
        if problem is not None:
            raise WorkspaceError(f"The out-of-fold probabilities cannot be stored. {problem}")

    def read(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Read positions int64 (n,) in the data set and probabilities float32 (n, C).

        Raises:
            DataError: there is no result, or it is damaged.
        """

        def result(entry: Entry) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
            positions, probabilities = entry.arrays["positions"], entry.arrays["probabilities"]
            if probabilities.shape != (len(positions), self.classes):
                raise DataError("not one row of probabilities for each face")
            return positions, probabilities

        found = self._store.get("out-of-fold", self.key, result)
        if found is None:
            raise DataError("The out-of-fold probabilities are missing or damaged; compute them again.")
        return found

    def put_fold(self, number: int, probabilities: npt.NDArray[np.float32]) -> None:
        """Store the predictions of a finished fold until all folds are finished."""
        self._store.put("out-of-fold", self._fold_key(number), {"probabilities": probabilities})

    def get_fold(self, number: int, faces: int) -> npt.NDArray[np.float32] | None:
        """Return the predictions of a fold that is already finished, float32 (faces, C), or None."""

        def fold(entry: Entry) -> npt.NDArray[np.float32]:
            probabilities = entry.arrays["probabilities"]
            if probabilities.shape != (faces, self.classes) or probabilities.dtype != np.float32:
                raise DataError("a fold of different faces")
            return probabilities

        return self._store.get("out-of-fold", self._fold_key(number), fold)

    def remove_folds(self) -> None:
        """Delete the stored predictions of single folds."""
        for number in range(FOLDS):
            self._store.remove("out-of-fold", self._fold_key(number))

    def _fold_key(self, number: int) -> str:
        return f"{self.key} fold {number}"

    @property
    def _store(self) -> Store:
        return Store(self.workspace)


def default_config() -> TrainConfig:
    """Return the default settings: the seed network, a few epochs, standard augmentation."""
    return TrainConfig(epochs=EPOCHS, label_smoothing=0.0)


def find(dataset: FaceDataset, config: TrainConfig | None = None, *, workspace: Workspace) -> OutOfFold:
    """Return the computation for this data and these settings, whether it has started or not.

    Only settings that differ from their defaults are part of its key, so that settings added later keep old results valid.
    """
    machine = {"data", "device", "threads", "precision"}
    settings = (config or default_config()).model_dump(mode="json", exclude_defaults=True, exclude=machine)
    key = hashlib.sha256(f"{dataset.cache_key} {FOLDS} {json.dumps(settings, sort_keys=True)}".encode()).hexdigest()
    return OutOfFold(workspace.jobs / f"out-of-fold-{key[:20]}", workspace, key, len(dataset.classes))


def assign_folds(dataset: FaceDataset, indices: npt.NDArray[np.int64], seed: int = 0) -> npt.NDArray[np.int64]:
    """Assign each face to a fold 0…FOLDS-1, int64 (n,); duplicates share a fold, classes are spread evenly."""
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
    workspace: Workspace,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> OutOfFold:
    """Compute the probabilities for all faces of the train split, reusing what is cached.

    Raises:
        BusyError: a training is running in this workspace.
        DataError: a class has too few faces.
        FerError: the computation was stopped.
    """
    from fer_core.training.runs import only_training, refuse_if_busy

    config = config or default_config()
    job = find(dataset, config, workspace=workspace)
    if job.state == "finished":
        return job
    indices = dataset.indices("train")
    fold = assign_folds(dataset, indices)
    _refuse_too_few(dataset, indices, fold)
    refuse_if_busy(workspace)
    make_directory(job.path)
    with only_training(workspace, job, "The search for suspect labels"):
        work = _Work(job, dataset, config, on_progress, should_stop)
        try:
            work.write("running")
            job.put(indices, work.predict_all(indices, fold))
            job.remove_folds()
            work.write("finished")
        except _Stopped as error:
            work.write("stopped")
            raise FerError(str(error)) from None
        except FerError as error:
            work.write("failed", str(error))
            raise
    return job


def _refuse_too_few(dataset: FaceDataset, indices: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]) -> None:
    """Raise an error unless every class is in every fold: a network that never saw a class would suspect all its faces."""
    labels = dataset.labels[indices]
    few = [
        f"{dataset.classes[label]} ({np.sum(labels == label)})"
        for label in np.unique(labels)
        if len(np.unique(fold[labels == label])) < FOLDS
    ]
    if few:
        raise DataError(
            f"{dataset.name} has too few distinct training faces for {FOLDS} folds in: {', '.join(few)}. "
            "Merge these classes with others, or drop them."
        )


class _Stopped(Exception):
    """The computation was asked to stop."""


class _Work:
    """The computation in this process."""

    def __init__(
        self,
        job: OutOfFold,
        dataset: FaceDataset,
        config: TrainConfig,
        on_progress: Callable[[int, int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._job, self._dataset, self._config = job, dataset, config
        self._on_progress, self._should_stop = on_progress, should_stop
        self._total, self._started = FOLDS * config.epochs, time.time()
        self._done = 0  # epochs
        self._kept = 0  # epochs of cached folds, which are excluded from the time estimate

    def write(self, state: WrittenState, error: str | None = None) -> None:
        """Write the status and report progress."""
        now, here = time.time(), self._done - self._kept
        going_on = here > 0 and state == "running"
        left = (now - self._started) / here * (self._total - self._done) if going_on else None
        status = FoldStatus(
            state=state, done=self._done, total=self._total, seconds_left=left, heartbeat=now, error=error
        )
        self._job.write_status(status)
        if self._on_progress:
            self._on_progress(self._done, self._total)

    def predict_all(self, indices: npt.NDArray[np.int64], fold: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Predict the faces at ``indices``, each with the network of its fold; float32 (n, C)."""
        probabilities = np.zeros((len(indices), len(self._dataset.classes)), dtype=np.float32)
        for number in range(FOLDS):
            held_out = indices[fold == number]
            predicted = self._job.get_fold(number, len(held_out))
            if predicted is not None:
                self._done += self._config.epochs
                self._kept += self._config.epochs
                self.write("running")
            else:
                predicted = self._predict_fold(number, indices[fold != number], held_out)
                self._job.put_fold(number, predicted)
            probabilities[fold == number] = predicted
        return probabilities

    def _predict_fold(
        self, number: int, others: npt.NDArray[np.int64], held_out: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        from fer_core.training.device import choose_compute
        from fer_core.training.loop import Training, torch_settings

        compute_on = choose_compute(self._config)
        with torch_settings(compute_on):
            training = Training(self._config, self._dataset, ProtocolSplit("holdout", others, held_out), compute_on)
            while not training.finished:
                if self._stopping() or training.run_epoch(should_stop=self._stopping) is None:
                    raise _Stopped(
                        f"The search for suspect labels was stopped; {number} of {FOLDS} folds are finished, "
                        "and the next search resumes from there."
                    )
                self._done += 1
                self.write("running")
            return training.classifier.probabilities(self._dataset.images[held_out])

    def _stopping(self) -> bool:
        return self._job.stop_requested or bool(self._should_stop and self._should_stop())


def start(
    source: str,
    dataset: FaceDataset,
    *,
    workspace: Workspace,
    reading: Reading | None = None,
) -> OutOfFold:
    """Start the computation in a separate process; follow it with :func:`find`.

    Args:
        source: the data source for that process.
        dataset: the same faces, already loaded.
        workspace: the workspace to use.
        reading: how ``dataset`` was read; None means the defaults.

    Raises:
        BusyError: a training is running in this workspace.
    """
    from fer_core.training.runs import refuse_if_busy

    job = find(dataset, workspace=workspace)
    if job.state == "finished" or job.state in ACTIVE:
        return job
    refuse_if_busy(workspace)
    options = (reading or Reading()).arguments()
    job.start(["audit", source, "--suspects", "--json", *options], workspace, FoldStatus())
    return job
