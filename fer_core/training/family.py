"""Trains teachers and students within a time limit: several large networks, then small ones distilled from them.

Meant for half an hour of a GPU. Epochs of each kind of network are timed first, and the number of teachers and epochs
follows from that, because a network is worth little before its learning rate has decayed. Finished runs are found by name,
so that a second call continues an interrupted one. Teachers see the training faces only (Hinton et al. 2015). Their recipe
is the preset ``compact-gpu`` with a wider network.

If the data has people's votes, teachers learn labels and votes on one trunk, which improves both, and there are students
for each target.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, make_split
from fer_core.data.reading import Reading
from fer_core.errors import DataError, TrainingError
from fer_core.presets import PRESETS, make_train_config
from fer_core.training.outputs import make_outputs, split_for_targets
from fer_core.training.runs import Run, best_record, list_runs
from fer_core.training.step.distillation import ViewCache
from fer_core.training.trainer import Hooks, load_training_data, train
from fer_core.workspace import Workspace

TEACHER: Final[Mapping[str, Any]] = {
    "model_args": {"stem": 64, "widths": [64, 128, 256], "blocks": [2, 2, 2]},
    "weight_decay": 1e-3,
    "label_smoothing": 0.0,  # smoothing removes information that a student could learn from (Müller et al. 2019)
    "mixup": 0.3,
}
"""Settings of the teachers on top of ``compact-gpu``: twice the compute, and stronger mixup instead of label smoothing."""

STUDENT: Final[Mapping[str, Any]] = {
    "label_smoothing": 0.0,  # the teachers' predictions are soft already
    "mixup": 0.0,
    "distillation_weight": 0.9,
    "distillation_temperature": 2.0,
    "cached_views": 40,
    "augment": PRESETS["compact-gpu"].values["augment"],  # the same for all, so that they share cached views
}
"""Settings of the students on top of their own recipe."""

_COMPACT: Final[Mapping[str, Any]] = {"model": "compact", "preset": "compact-gpu"}
_SEED: Final[Mapping[str, Any]] = {
    "model": "seed", "preset": "standard", "batch_size": 256, "weight_decay": 0.05, "ema_decay": 0.998,
}  # fmt: skip
STUDENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "compact": _COMPACT,
    "seed": _SEED,
    "compact-people": {**_COMPACT, "targets": "votes"},
    "seed-people": {**_SEED, "targets": "votes"},
}
"""The students and their recipes; those with targets ``votes`` need votes."""

_TEACHERS_SHARE: Final = 0.45  # share of the time; students cost more, because the teachers predict their cached views
_OVERHEAD: Final = 1.15  # validation and saving, relative to the steps of an epoch
_FEWEST, _MOST = 60, 300  # epochs


@dataclass(frozen=True, slots=True)
class Member:
    """One network of the family.

    Attributes:
        name: the name of its run.
        run: the id of its run.
        epochs: the number of epochs.
        valid_accuracy: validation accuracy of its best epoch.
        seconds: wall time of its training in this call; 0 if it was already finished.
    """

    name: str
    run: str
    epochs: int
    valid_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Family:
    """The networks trained within the time limit."""

    teachers: tuple[Member, ...]
    students: tuple[Member, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def epochs_for(seconds: float, per_epoch: float, fewest: int = _FEWEST, most: int = _MOST) -> int:
    """Return how many epochs fit into ``seconds``, but at least ``fewest``, even if these take longer."""
    return max(fewest, min(most, int(seconds / max(per_epoch, 1e-9))))


def teachers_for(seconds: float, per_epoch: float, wanted: int, fewest: int = _FEWEST) -> int:
    """Return how many teachers of at least ``fewest`` epochs fit into ``seconds``, but at least one."""
    return max(1, min(wanted, int(seconds / max(fewest * per_epoch, 1e-9))))


def train_family(
    data: str,
    minutes: float,
    *,
    teachers: int = 5,
    repeats: int = 1,
    students: Mapping[str, Mapping[str, Any]] = STUDENTS,
    teacher: Mapping[str, Any] = TEACHER,
    limits: tuple[int, int] = (_FEWEST, _MOST),
    reading: Reading | None = None,
    dataset: FaceDataset | None = None,
    workspace: Workspace,
    hooks: Hooks | None = None,
    log: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Family:
    """Train teachers, then students, within ``minutes``, but at least the minimum number of epochs each.

    Args:
        data: the data source; the protocol is ``official``.
        minutes: time limit for everything.
        teachers: maximum number of teachers; the time limit may allow fewer.
        repeats: number of students of each kind, with different seeds.
        students: name -> settings on top of :data:`STUDENT`; ``preset`` is the name of a preset, and ``model``
            defaults to the name.
        teacher: settings on top of ``compact-gpu``.
        limits: minimum and maximum number of epochs of a network.
        reading: how the faces are read; None means the defaults.
        dataset: the faces, if already loaded. With votes, teachers learn labels and votes.
        workspace: where runs are written and found.
        hooks: as for :func:`fer_core.training.train`; a stop request ends everything.
        log: receives progress messages.
        clock: returns the time in seconds.

    Raises:
        TrainingError: a training was stopped; the next call resumes it.
        FerError: as :func:`fer_core.training.train`.
    """
    started, fewest, most = clock(), *limits
    given: dict[str, Any] = {"data": data, **(reading or Reading()).to_dict()}
    if dataset is None:
        on_load = hooks.on_load if hooks else None
        dataset = load_training_data(TrainConfig.parse(given), workspace=workspace, on_progress=on_load)
    given |= {"truth": dataset.truth, "class_map": dataset.class_map}
    targets = _targets_of_teachers(dataset, log)
    students = {name: own for name, own in students.items() if targets == "both" or own.get("targets") != "votes"}

    views = ViewCache()  # shared by all students

    def left() -> float:
        return 60 * minutes - (clock() - started)

    def run(name: str, config: TrainConfig) -> Member:
        began, old = clock(), _find(workspace, name, config)
        if old is None or old.state != "finished":
            log(f"{name}: {(old.config if old else config).epochs} epochs, {max(0.0, left()):.0f} s left")
            resumable = old is not None and (old.path / "last.ckpt").is_file()
            result = train(
                config, name=name, run=old if resumable else None, dataset=dataset, workspace=workspace, hooks=hooks,
                views=views,
            )  # fmt: skip
            if result.state != "finished":
                raise TrainingError(f"{name} was {result.state}. Run the same command again to resume.")
            old = result.run
        best = best_record(old.records())
        accuracy = best.valid_accuracy if best else 0.0
        log(f"{name}: validation accuracy {accuracy:.4f}")
        return Member(name, old.id, old.config.epochs, accuracy, clock() - began)

    def costs(name: str, config: TrainConfig) -> tuple[float, float]:
        """Measure the seconds of one epoch and of computing all cached views; the third epoch counts, after two to warm up."""
        timed = run(
            f"{name}, timed", config.model_copy(update={"epochs": 3, "cached_views": min(2, config.cached_views)})
        )
        seconds = [r.seconds for r in Run(workspace.runs / timed.run).records()]
        return _OVERHEAD * seconds[2], config.cached_views * max(0.0, seconds[1] - seconds[2])

    def teacher_config(seed: int, epochs: int) -> TrainConfig:
        return make_train_config(
            "compact-gpu", **{**teacher, **given, "targets": targets, "seed": seed, "epochs": epochs}
        )

    seconds, _ = costs("Teacher", teacher_config(0, 3))
    for_teachers = _TEACHERS_SHARE * left()
    begun = sum(
        _find(workspace, f"Teacher {number}", teacher_config(number, 3)) is not None
        for number in range(1, teachers + 1)
    )
    count = max(
        begun, teachers_for(for_teachers, seconds, teachers, fewest)
    )  # a second call keeps the number of teachers of the first
    epochs = epochs_for(for_teachers / count, seconds, fewest, most)
    taught = tuple(run(f"Teacher {number}", teacher_config(number, epochs)) for number in range(1, count + 1))

    def student_config(student: str, seed: int, epochs: int) -> TrainConfig:
        own = {"model": student, **students[student]}
        preset = own.pop("preset", None)
        names = tuple(member.run for member in taught)
        changes = {**given, "seed": seed, "epochs": epochs, "teachers": names}
        return make_train_config(preset, **{**STUDENT, **own, **changes})

    timed = {student: costs(f"Student {student}", student_config(student, 0, 3)) for student in students}
    learned = []
    waiting = [(student, number) for number in range(repeats) for student in students]
    while waiting:
        for_views = sum(timed[student][1] for student, _ in waiting)
        epochs = epochs_for(left() - for_views, sum(timed[student][0] for student, _ in waiting), fewest, most)
        student, number = waiting.pop(0)
        name = f"Student {student}" if repeats == 1 else f"Student {student} {number + 1}"
        learned.append(run(name, student_config(student, number, epochs)))
    return Family(taught, tuple(learned))


def _targets_of_teachers(dataset: FaceDataset, log: Callable[[str], None]) -> Literal["labels", "both"]:
    """Return the targets of the teachers: both, if there are votes to train and validate on; otherwise labels."""
    if dataset.votes is None or dataset.truth == "votes":
        return "labels"
    config = TrainConfig(targets="both")
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    try:
        split_for_targets(dataset, split, make_outputs(dataset, "both"), config)
    except DataError as error:
        log(f"Labels only. {error}")
        return "labels"
    return "both"


def _find(workspace: Workspace, name: str, config: TrainConfig) -> Run | None:
    """Return the newest finished run with this name, reading and targets, or else the newest one that can resume."""
    same = (*Reading.model_fields, "targets")

    def belongs(run: Run) -> bool:
        if run.label.name != name or run.state == "damaged":
            return False
        return all(getattr(run.config, name) == getattr(config, name) for name in same)

    named = [run for run in list_runs(workspace) if belongs(run)]
    return next((run for run in named if run.state == "finished"), next(iter(named), None))
