"""Teachers and their students within a time limit: several large networks, then small ones taught by all of them.

Made for half an hour of a GPU. The clock decides: one epoch of each kind of network is timed first, and the number of
teachers and of epochs follows from it, since a learning rate that has not come down to its end is worth little. What is
finished is found again by its name, so that a second call goes on where the first was cut off. Teachers see the training
faces only, like everybody (Hinton et al. 2015; the recipe of the ensemble is the preset ``compact-gpu`` on a wider network).

Where people voted on the faces, teachers learn labels and votes on one trunk, which makes them better at both, and there
are students for each.
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
from fer_core.training.outputs import learnable, make_outputs
from fer_core.training.runs import Run, best_record, list_runs
from fer_core.training.step.distillation import KeptViews
from fer_core.training.trainer import Hooks, load_for, train
from fer_core.workspace import Workspace

TEACHER: Final[Mapping[str, Any]] = {
    "model_args": {"stem": 64, "widths": [64, 128, 256], "blocks": [2, 2, 2]},
    "weight_decay": 1e-3,
    "label_smoothing": 0.0,  # takes from an answer what a student could learn from it (Müller et al. 2019)
    "mixup": 0.3,
}
"""What teachers have otherwise than ``compact-gpu``: twice the work, and faces mixed more instead of labels smoothed."""

STUDENT: Final[Mapping[str, Any]] = {
    "label_smoothing": 0.0,  # the teachers' answers are soft already
    "mixup": 0.0,
    "distillation_weight": 0.9,
    "distillation_temperature": 2.0,
    "cached_views": 40,
    "augment": PRESETS["compact-gpu"].values["augment"],  # one for all, so that all are shown the same views
}
"""What students have otherwise than their own recipe."""

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
"""Whom the teachers teach, and by which recipe; those for votes only where there are votes."""

_TEACHERS_SHARE: Final = 0.45  # of the time; the students see their teachers' answers, which costs more than their own
_OVERHEAD: Final = 1.15  # what validating and saving take beyond the steps of an epoch
_FEWEST, _MOST = 60, 300  # epochs


@dataclass(frozen=True, slots=True)
class Member:
    """One network of the family.

    Attributes:
        name: of its run.
        run: the run's id.
        epochs: how many it was trained for.
        valid_accuracy: of its best epoch, on the validation split.
        seconds: wall time of its training in this call; 0 where it was finished before.
    """

    name: str
    run: str
    epochs: int
    valid_accuracy: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Family:
    """What was trained within the time."""

    teachers: tuple[Member, ...]
    students: tuple[Member, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def epochs_for(seconds: float, per_epoch: float, fewest: int = _FEWEST, most: int = _MOST) -> int:
    """How many epochs fit into ``seconds``; never fewer than ``fewest``, which then takes longer than it should."""
    return max(fewest, min(most, int(seconds / max(per_epoch, 1e-9))))


def teachers_for(seconds: float, per_epoch: float, wanted: int, fewest: int = _FEWEST) -> int:
    """How many teachers of at least ``fewest`` epochs fit into ``seconds``; one at least."""
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
    say: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Family:
    """Train teachers, then students, within ``minutes`` (the fewest epochs are kept to even where that takes longer).

    Args:
        data: where the faces come from; protocol ``official``.
        minutes: for everything together.
        teachers: how many at most; the clock may allow fewer.
        repeats: how many students of each kind, with different seeds.
        students: name -> settings on top of :data:`STUDENT`, with the preset's name under ``preset``; ``model`` is the
            name where it is left out.
        teacher: settings on top of ``compact-gpu``.
        limits: fewest and most epochs of a network.
        reading: how the faces are read; the defaults when None.
        dataset: the faces, when they are loaded already. With people's votes on them, teachers learn both.
        workspace: where the runs are written and looked for.
        hooks: as of :func:`fer_core.training.train`; a stop ends the whole.
        say: told in words what happens.
        clock: seconds.

    Raises:
        TrainingError: a training was stopped before its end; the next call resumes it.
        FerError: as :func:`fer_core.training.train`.
    """
    started, fewest, most = clock(), *limits
    given: dict[str, Any] = {"data": data, **(reading or Reading()).to_dict()}
    if dataset is None:
        on_load = hooks.on_load if hooks else None
        dataset = load_for(TrainConfig.parse(given), workspace=workspace, on_progress=on_load)
    given |= {"truth": dataset.truth, "class_map": dataset.class_map}
    targets = _teachers_targets(dataset, say)
    students = {name: own for name, own in students.items() if targets == "both" or own.get("targets") != "votes"}

    views = KeptViews()  # the students are shown the same

    def left() -> float:
        return 60 * minutes - (clock() - started)

    def run(name: str, config: TrainConfig) -> Member:
        began, old = clock(), _find(workspace, name, config)
        if old is None or old.state != "finished":
            say(f"{name}: {(old.config if old else config).epochs} epochs, {max(0.0, left()):.0f} s left")
            resumable = old is not None and (old.path / "last.ckpt").is_file()
            result = train(
                config, name=name, run=old if resumable else None, dataset=dataset, workspace=workspace, hooks=hooks,
                views=views,
            )  # fmt: skip
            if result.state != "finished":
                raise TrainingError(f"{name} ended as {result.state}. The same command goes on from there.")
            old = result.run
        best = best_record(old.records())
        accuracy = best.valid_accuracy if best else 0.0
        say(f"{name}: validation accuracy {accuracy:.4f}")
        return Member(name, old.id, old.config.epochs, accuracy, clock() - began)

    def costs(name: str, config: TrainConfig) -> tuple[float, float]:
        """Seconds of one epoch, and of all the teachers' views before it; from a third epoch after two that warm up."""
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
    count = max(begun, teachers_for(for_teachers, seconds, teachers, fewest))  # a later call has less time and as many
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


def _teachers_targets(dataset: FaceDataset, say: Callable[[str], None]) -> Literal["labels", "both"]:
    """What teachers learn: labels and votes, where there are votes that can be learned and validated."""
    if dataset.votes is None or dataset.truth == "votes":
        return "labels"
    config = TrainConfig(targets="both")
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    try:
        learnable(dataset, split, make_outputs(dataset, "both"), config)
    except DataError as error:
        say(f"Labels only. {error}")
        return "labels"
    return "both"


def _find(workspace: Workspace, name: str, config: TrainConfig) -> Run | None:
    """The newest run of this name that learns the same of the same classes and is finished, else that can go on."""
    same = (*Reading.model_fields, "targets")

    def belongs(run: Run) -> bool:
        if run.label.name != name or run.state == "damaged":
            return False
        return all(getattr(run.config, name) == getattr(config, name) for name in same)

    named = [run for run in list_runs(workspace) if belongs(run)]
    return next((run for run in named if run.state == "finished"), next(iter(named), None))
