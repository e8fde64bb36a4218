"""Teaching experiments: two small training runs that differ in one setting, with a question and an explanation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from fer_core.config import Config, TrainConfig
from fer_core.data import FaceDataset, make_split
from fer_core.data.duplicates import has_duplicate, pixel_groups
from fer_core.errors import DataError
from fer_core.training.runs import EpochRecord

Progress = Callable[[int, int], None]
"""Called with (epochs done, total epochs)."""

MAX_VALID: Final = 1500
MIN_TRAIN: Final = 140
_HELD_OUT: Final = 0.2  # of the training faces, if there is no validation split


@dataclass(frozen=True)
class Arm:
    """One of the two training runs compared.

    Attributes:
        name: display name in curves and sentences.
        settings: fields of :class:`fer_core.config.TrainConfig` that differ from the experiment's settings.
        change: transforms the data set before training; None for no change.
    """

    name: str
    settings: dict[str, Any]
    change: Callable[[FaceDataset, np.random.Generator], FaceDataset] | None = None


class ArmResult(Config):
    """Result of one arm."""

    name: str
    n_train: int
    n_valid: int
    n_honest: int | None
    classes: int = 7  # default for results stored before this field existed
    records: tuple[EpochRecord, ...]

    @property
    def last(self) -> EpochRecord:
        """Record of the last epoch."""
        return self.records[-1]


class Result(Config):
    """Result of an experiment; everything its page shows."""

    experiment: str
    data_name: str
    data_fingerprint: str
    arms: tuple[ArmResult, ...]
    seconds: float


@dataclass(frozen=True)
class Experiment:
    """Definition of one experiment. To add one, add a module to this package that defines ``EXPERIMENT``.

    Attributes:
        name: identifier, also used in URLs.
        title: display name.
        story: what the experiment does and why, in two or three sentences.
        question: the question whose answer users predict.
        choices: possible answers.
        faces: maximum number of training faces.
        settings: fields of TrainConfig that both arms share.
        arms: the two training runs.
        answer: returns the index of the correct choice for a result.
        explain: returns a paragraph that explains a result with its own numbers.
    """

    name: str
    title: str
    story: str
    question: str
    choices: tuple[str, ...]
    faces: int
    settings: dict[str, Any]
    arms: tuple[Arm, ...]
    answer: Callable[[Sequence[ArmResult]], int]
    explain: Callable[[Sequence[ArmResult]], str]

    def configs(self) -> list[TrainConfig]:
        """Return the settings of each arm."""
        return [TrainConfig.parse({"model": "seed", **self.settings, **arm.settings}) for arm in self.arms]


def experiment_subset(dataset: FaceDataset, faces: int, seed: int = 0) -> FaceDataset:
    """Select at most ``faces`` training faces, and validation faces without a duplicate among them.

    Without a validation split, the remaining training faces validate; if persons or sessions are known, faces of held-out
    persons or sessions.

    Raises:
        DataError: the data set has too few faces.
    """
    rng = np.random.default_rng(seed)
    train = rng.permutation(dataset.indices("train"))
    own_valid = rng.permutation(np.flatnonzero(dataset.split == "valid"))
    if len(own_valid):
        train, valid = train[:faces], own_valid
    elif dataset.groups is not None:
        divided = make_split(dataset, "holdout", _HELD_OUT, seed)
        train, valid = rng.permutation(divided.train)[:faces], rng.permutation(divided.valid)
    else:
        kept = min(faces, round((1 - _HELD_OUT) * len(train)))
        train, valid = train[:kept], train[kept:]
    groups = pixel_groups(dataset.images)
    valid = valid[~has_duplicate(groups, valid, train)][:MAX_VALID]
    if len(train) < MIN_TRAIN or len(valid) < MIN_TRAIN // 2:
        raise DataError(
            f"{dataset.name} has too few faces for an experiment ({dataset.counts_text()}): it needs at least {MIN_TRAIN} "
            f"for training and {MIN_TRAIN // 2} others for validation. Use the built-in faces."
        )
    chosen = np.concatenate([train, valid])
    split = np.array(["train"] * len(train) + ["valid"] * len(valid))
    return FaceDataset(
        dataset.name,
        dataset.images[chosen],
        dataset.labels[chosen],
        split,
        dataset.ids[chosen],
        dataset.classes,
        groups=dataset.groups[chosen] if dataset.groups is not None else None,
    )


def run(
    experiment: Experiment,
    dataset: FaceDataset,
    *,
    epochs: int | None = None,
    on_progress: Progress | None = None,
) -> Result:
    """Train both arms one after the other in this process.

    Args:
        experiment: the experiment to run.
        dataset: the source of its faces.
        epochs: number of epochs; the experiment's own if None.
        on_progress: called after each epoch.

    Raises:
        DataError: the data set has too few faces.
        TrainingError: a loss is not finite.
    """
    from fer_core.training.device import choose_compute
    from fer_core.training.loop import Training, torch_settings

    started = time.perf_counter()
    small = experiment_subset(dataset, experiment.faces)
    configs = [replace_epochs(config, epochs) for config in experiment.configs()]
    total, done, arms = sum(config.epochs for config in configs), 0, []
    for arm, config in zip(experiment.arms, configs, strict=True):
        faces = arm.change(small, np.random.default_rng(config.seed)) if arm.change else small
        split = make_split(faces, config.protocol, config.holdout_share, config.seed)
        compute = choose_compute(config)
        with torch_settings(compute):
            training = Training(config, faces, split, compute)
            while not training.finished:
                training.run_epoch()
                done += 1
                if on_progress:
                    on_progress(done, total)
        honest = len(split.leak_free) if split.leak_free is not None else None
        records = tuple(training.records())
        arms.append(
            ArmResult(
                name=arm.name,
                n_train=len(split.train),
                n_valid=len(split.valid),
                n_honest=honest,
                classes=len(faces.classes),
                records=records,
            )
        )
    return Result(
        experiment=experiment.name,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        arms=tuple(arms),
        seconds=time.perf_counter() - started,
    )


def replace_epochs(config: TrainConfig, epochs: int | None) -> TrainConfig:
    """Return the settings with another number of epochs."""
    return config if epochs is None else TrainConfig.parse({**config.to_dict(), "epochs": epochs})


def with_labels(dataset: FaceDataset, labels: Any) -> FaceDataset:
    """Return the faces with other labels; resets the fingerprint, since the content differs."""
    return replace(dataset, labels=np.asarray(labels, dtype=np.int64), as_labeled=None, fingerprint="")
