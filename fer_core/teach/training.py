"""``teach``: from takes to a model with own classes and figures that hold."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer_core.errors import DataError
from fer_core.formatting import joined, percent
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.preprocess import Faces
from fer_core.teach import checkpoint, head
from fer_core.teach.duplicates import copied_takes
from fer_core.teach.features import BUDGET, Progress, Stop, check_stop, plan, take_features
from fer_core.teach.head import Gate, Head, OutOfTake, Sample
from fer_core.teach.result import (
    MODEL,
    RESULT,
    ClassCount,
    Confused,
    CopiedTake,
    LeaveOneTakeOut,
    RandomFrames,
    TakeScore,
    Taught,
)
from fer_core.teach.takes import Take, TakeStore, check_classes
from fer_core.workspace import Workspace, write_json

TAKES_ASKED: Final = 3
"""Takes that each class should have."""
_BAD_TAKE: Final = 0.7
"""Accuracy of a take below which it is named first."""
_OFTEN: Final = 0.1
"""Share of a class's faces misclassified as one other class from which the pair is named."""


def teach(
    store: TakeStore,
    classifier: Classifier,
    workspace: Workspace,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Taught:
    """Teach a model the classes of a set of takes, measure it, and write it to ``taught/<name>`` of the workspace.

    The network's trunk stays as it is; its last layer is replaced by multinomial logistic regression on the penultimate
    features. The result is an ordinary checkpoint, which :func:`~fer_core.inference.resolve_model` finds by the name.

    Args:
        store: the takes.
        classifier: the base network, loaded from a file.
        workspace: where the model is written.
        progress: called with (done, total).
        stop: returns whether to stop.

    Raises:
        DataError: fewer than two classes, or a class without faces.
        ModelError: the base network was deleted or is damaged.
        TrainingError: ``stop`` returned true; an earlier model stays.
        WorkspaceError: the disk is full or cannot be written; an earlier model stays.
    """
    started = time.perf_counter()
    takes, faces = _load(store)
    classes = check_classes(store.classes)
    trunk = checkpoint.read_trunk(classifier)
    used, views = plan(faces)
    kept = [own[picked] for own, picked in zip(faces, used, strict=True)]
    total = sum(map(len, kept))
    ticks = _Ticks(progress, stop, total)
    features = take_features(kept, views, classifier, workspace, ticks.features, stop)
    sample = Sample(
        np.concatenate(features),
        np.concatenate([np.full(len(own), classes.index(take.class_name)) for take, own in zip(takes, kept, strict=True)]),
        np.concatenate([np.full(len(own), place) for place, own in enumerate(kept)]),
        len(classes),
    )  # fmt: skip
    ticks.begin(_fits(sample))
    everything = np.ones(len(sample.labels), bool)
    strength = head.choose_strength(sample, everything, ticks.tick)
    own_head = head.fit(sample, everything, strength)
    trained = time.perf_counter() - started
    out_of_take = head.leave_one_take_out(sample, ticks.tick)
    random = head.random_frames(sample, strength, ticks.tick)
    calibration = head.calibrate(sample, out_of_take)
    measured = time.perf_counter() - started - trained
    copied = copied_takes([(take.id, take.class_name) for take in takes], faces)
    taught = Taught(
        name=store.name,
        classes=classes,
        base=_base_name(classifier),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        takes=len(takes),
        faces=sum(map(len, faces)),
        left_out=store.left_out(),
        per_class=tuple(_count(name, takes) for name in classes),
        faces_used=total,
        views=views,
        **_figures(sample, out_of_take, random, takes, classes, copied),
        copied=copied,
        notes=_notes(sum(map(len, faces)), total, len(takes)),
        strength=strength,
        temperature=calibration.temperature,
        abstain_below=calibration.abstain_below,
        seconds=round(trained, 3),
        seconds_figures=round(measured, 3),
        model=str(workspace.taught / store.name / MODEL),
    )
    check_stop(stop)
    with store.locked():
        _save(taught, trunk, own_head, calibration.gate, classifier, workspace.taught / store.name)
    ticks.finish()
    return taught


def prepare(store: TakeStore, classifier: Classifier, workspace: Workspace, *, stop: Stop | None = None) -> None:
    """Compute and cache the features of all takes, so that :func:`teach` is faster; a page does so while takes are recorded.

    Raises:
        DataError: a face is missing or damaged.
        ModelError: the base network is damaged.
        TrainingError: ``stop`` returned true.
    """
    faces = [store.faces(take) for take in store.takes()]
    used, views = plan(faces)
    take_features(
        [own[picked] for own, picked in zip(faces, used, strict=True)], views, classifier, workspace, stop=stop
    )


def _load(store: TakeStore) -> tuple[list[Take], list[Faces]]:
    """Return the takes and their faces.

    Raises:
        DataError: fewer than two classes, or a class without faces.
    """
    classes, takes = store.classes, list(store.takes())
    check_classes(classes)
    if missing := [name for name in classes if not any(take.class_name == name for take in takes)]:
        names = joined([f"'{name}'" for name in missing])
        raise DataError(
            f"{'The class' if len(missing) == 1 else 'The classes'} {names} {'has' if len(missing) == 1 else 'have'} no faces. "
            "Record a take, or remove the class."
        )
    return takes, [store.faces(take) for take in takes]


class _Ticks:
    """Progress over features and fits, and the check for a stop."""

    def __init__(self, progress: Progress | None, stop: Stop | None, faces: int) -> None:
        self._progress, self._stop, self._faces = progress, stop, faces
        self._total, self._done, self._fits = faces * 2, 0, 1

    def features(self, done: int, total: int) -> None:
        if self._progress:
            self._progress(done, self._total)

    def begin(self, fits: int) -> None:
        self._fits = max(1, fits)

    def finish(self) -> None:
        if self._progress:
            self._progress(self._total, self._total)

    def tick(self) -> None:
        check_stop(self._stop)
        self._done = min(self._done + 1, self._fits)
        if self._progress:
            self._progress(self._faces + self._faces * self._done // self._fits, self._total)


def _fits(sample: Sample) -> int:
    """Return the approximate number of fits."""
    inner = head.INNER_FOLDS * len(head.STRENGTHS)
    return inner * (min(len(sample.label_of_take), head.MAX_LEFT_OUT) + 1) + head.RANDOM_FOLDS


def _figures(
    sample: Sample,
    out_of_take: OutOfTake,
    random: head.Ints,
    takes: list[Take],
    classes: tuple[str, ...],
    copied: tuple[CopiedTake, ...],
) -> dict[str, Any]:
    faces = out_of_take.faces
    labels, of_take = sample.labels[faces], sample.takes[faces]
    predicted = out_of_take.logits[faces].argmax(axis=1)
    shares = head.share_right(labels, predicted, of_take)
    matrix = head.confusion(labels, predicted, len(classes))
    interval = head.bootstrap_interval(shares) if len(shares) else None
    compared = faces if faces.any() else np.ones(len(faces), bool)
    random_shares = head.share_right(sample.labels[compared], random[compared], sample.takes[compared])
    scores = tuple(
        _score(takes, int(take), float(share), predicted[of_take == take], classes)
        for take, share in zip(np.unique(of_take), shares, strict=True)
    )
    accuracy = float(shares.mean()) if len(shares) else None
    left_out = LeaveOneTakeOut(
        accuracy=accuracy, ci95=interval, takes=len(shares), faces=int(faces.sum()),
        matrix=tuple(map(tuple, matrix)), per_take=scores,
    )  # fmt: skip
    by_random = RandomFrames(accuracy=float(random_shares.mean()), folds=head.RANDOM_FOLDS)
    confused = _confused(matrix, classes)
    single = tuple(name for name in classes if sum(take.class_name == name for take in takes) == 1)
    return {
        "leave_one_take_out": left_out,
        "random_frames": by_random,
        "confused": confused,
        "single_take": single,
        "why_they_differ": _why_they_differ(left_out, by_random),
        "advice": tuple(_advice(takes, classes, left_out, confused, single, copied)),
    }


def _score(takes: list[Take], place: int, share: float, predicted: head.Ints, classes: tuple[str, ...]) -> TakeScore:
    take = takes[place]
    own = [other.id for other in takes if other.class_name == take.class_name]
    counts = np.bincount(predicted, minlength=len(classes))
    return TakeScore(
        take=take.id, class_name=take.class_name, number=own.index(take.id) + 1, source=take.source, faces=len(predicted),
        accuracy=share, predicted={name: int(n) for name, n in zip(classes, counts, strict=True) if n},
    )  # fmt: skip


def _confused(matrix: list[list[int]], classes: tuple[str, ...]) -> tuple[Confused, ...]:
    from fer_core.evaluation.metrics import most_confused

    return tuple(
        Confused(true=true, predicted=predicted, faces=n, share=share)
        for true, predicted, n, share in most_confused(np.array(matrix, np.int64), classes, top=3)
    )


def _why_they_differ(left_out: LeaveOneTakeOut, random: RandomFrames) -> str:
    if left_out.accuracy is None or random.accuracy is None:
        return (
            "No take can be left out yet, because each class has one; random frames test on frames whose neighbors were trained "
            "on, so that figure says nothing about another light or place."
        )
    if random.accuracy - left_out.accuracy < 0.02:
        return (
            "Random frames test on frames whose neighbors were trained on; here a take that was left out is predicted as well, so "
            "the takes are alike or the classes easy to tell apart."
        )
    return (
        "Random frames test on frames whose neighbors were trained on, so that figure measures how well light and place are "
        "remembered; a take that is left out shows what happens in another light or place."
    )


def _advice(
    takes: list[Take],
    classes: tuple[str, ...],
    left_out: LeaveOneTakeOut,
    confused: tuple[Confused, ...],
    single: tuple[str, ...],
    copied: tuple[CopiedTake, ...],
) -> list[str]:
    """Return what to do next, the most useful first."""
    found = [
        f"'{one.first_class}' and '{one.second_class}' have takes with the same faces. Delete the one in the wrong class."
        for one in copied
    ]
    found += [
        f"'{name}' has one take, so it cannot be tested. Record a second one, in another light or place."
        for name in single
    ]
    counts = {name: sum(take.class_name == name for take in takes) for name in classes}
    if left_out.per_take:
        found.append(_next_take(left_out, counts, confused))
    return found


def _next_take(left_out: LeaveOneTakeOut, counts: dict[str, int], confused: tuple[Confused, ...]) -> str:
    """Return which take would help most, judged by the takes that were left out.

    Args:
        left_out: the figure, of at least one take.
        counts: number of takes of each class.
        confused: the most frequent confusions.
    """
    worst = min(left_out.per_take, key=lambda score: score.accuracy)
    if worst.accuracy < _BAD_TAKE:
        others = {name: n for name, n in worst.predicted.items() if name != worst.class_name}
        other = max(others, key=lambda name: others[name])
        return (
            f"Take {worst.number} of '{worst.class_name}' is predicted right in {percent(worst.accuracy, 0)} of its faces when it "
            f"is left out, most often misclassified as '{other}'. Record another take of '{worst.class_name}' like it, or "
            "delete it if it does not show the class."
        )
    if confused and confused[0].share >= _OFTEN:
        pair = confused[0]
        return (
            f"'{pair.true}' is misclassified as '{pair.predicted}' in {percent(pair.share, 0)} of its faces. Record another take of "
            "each, and show the difference clearly."
        )
    fewest = min((name for name, n in counts.items() if n > 1), key=lambda name: counts[name])
    if counts[fewest] < TAKES_ASKED:
        return f"'{fewest}' has {counts[fewest]} takes. A third one, in another light or place, makes the figure more certain."
    if worst.accuracy < 1:
        return (
            f"Another take of '{worst.class_name}', in a light or place that was not recorded yet, would help most: take "
            f"{worst.number} is predicted right in {percent(worst.accuracy, 0)} of its faces when it is left out."
        )
    return "Every take that was left out is predicted right. Record one where you will use the model, to see whether that holds there."


def _notes(total: int, used: int, takes: int) -> tuple[str, ...]:
    notes = []
    if used < total:
        notes.append(
            f"{used:,} of {total:,} faces were used, evenly spread over each take: a training passes at most {BUDGET:,} views "
            "through the network, so that it ends in seconds."
        )
    if takes > head.MAX_LEFT_OUT:
        notes.append(f"{head.MAX_LEFT_OUT} of {takes:,} takes were left out, evenly chosen; each costs a training.")
    return tuple(notes)


def _count(name: str, takes: list[Take]) -> ClassCount:
    own = [take for take in takes if take.class_name == name]
    return ClassCount(name=name, takes=len(own), faces=sum(take.faces for take in own))


def _base_name(classifier: Classifier) -> str:
    path = classifier.path
    if path is None:
        return classifier.info.architecture
    return path.parent.name if path.name in (MODEL, "best.safetensors") else path.stem


def _save(taught: Taught, trunk: dict[str, Any], own: Head, gate: Gate, classifier: Classifier, folder: Path) -> None:
    """Write checkpoint, ONNX file and result.

    Raises:
        WorkspaceError: the disk is full or cannot be written.
    """
    from importlib.metadata import version

    base, n = classifier.info, len(taught.classes)
    figure = taught.leave_one_take_out
    info = CheckpointInfo(
        architecture=base.architecture,
        model_args={**base.model_args, "classes": n},
        labels=taught.classes,
        preprocess=base.preprocess,
        temperature=taught.temperature,
        abstain_below=taught.abstain_below,
        protocol="leave-one-take-out",
        data_name=f"takes of {taught.name}",
        config={"base": taught.base, "strength": taught.strength, "views": taught.views, "takes": taught.takes},
        metrics={
            "leave_one_take_out": {"accuracy": figure.accuracy, "accuracy_ci95": figure.ci95, "n": figure.faces},
            "random_frames": {"accuracy": taught.random_frames.accuracy},
        },
        created=taught.created,
        versions={name: version(name) for name in ("scikit-learn", "numpy")},
        prior=(1 / n,) * n,
    )  # fmt: skip
    checkpoint.write_model(folder / MODEL, trunk, own, gate, info, classifier)
    write_json(folder / RESULT, taught.to_dict())
