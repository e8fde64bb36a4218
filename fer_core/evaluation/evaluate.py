"""Predictions of a classifier on one split of a data set, and the metrics computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data import FaceDataset
from fer_core.errors import DataError
from fer_core.evaluation import metrics
from fer_core.evaluation.agreement import RatedPredictions
from fer_core.evaluation.matching import ClassMatch, ExtraClasses, match_classes
from fer_core.inference import Classifier, softmax
from fer_core.inference.classifier import Progress
from fer_core.inference.sensitivity import Adjustment
from fer_core.workspace import atomic_write

Tta = Literal["none", "flip"]


@dataclass(frozen=True, eq=False)
class Outputs:
    """Raw outputs of a model for some faces, before its classes are matched to the data's.

    Attributes:
        ids: str (n,), ids of the faces.
        logits: raw logits, float32 (n, C), in the model's class order.
        classes: classes of the model.
        adjustment: logit adjustment for the model's sensitivity.
    """

    ids: npt.NDArray[np.str_]
    logits: npt.NDArray[np.float32]
    classes: ClassList
    adjustment: Adjustment

    def predictions(self, match: ClassMatch, labels: npt.NDArray[np.int64]) -> Predictions:
        """Return predictions for the faces whose class the model has; ``labels`` int64 (n,) are the data's."""
        on_axis = match.axis_labels(labels)
        known = on_axis >= 0
        return Predictions(
            self.ids[known], on_axis[known], self.logits_for(match)[known], match.axis, self.adjustment.temperature
        )

    def logits_for(self, match: ClassMatch) -> npt.NDArray[np.float32]:
        """Return adjusted logits for the classes of ``match.axis``, float32 (n, len(axis))."""
        return self.adjustment.apply(self.logits)[:, list(match.column)]

    def of_faces(self, ids: npt.NDArray[np.str_]) -> Outputs:
        """Return the outputs for the faces with these ids, str (m,), in that order.

        Raises:
            DataError: a face has no output.
        """
        if np.array_equal(ids, self.ids):
            return self
        place = {name: i for i, name in enumerate(self.ids.tolist())}
        at = np.array([place.get(name, -1) for name in ids.tolist()], dtype=np.int64)
        if (at < 0).any():
            raise DataError("These predictions belong to other faces. Evaluate again.")
        return replace(self, ids=self.ids[at], logits=self.logits[at])


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a classifier for some faces of a data set.

    Attributes:
        ids: str (n,), ids of the faces.
        labels: int64 (n,), true labels, positions in ``classes``.
        logits: float32 (n, C), adjusted for the model's sensitivity.
        classes: the C classes of labels and logits: the data's classes that the model has, then the model's extra
            classes (see :class:`fer_core.evaluation.matching.ClassMatch`).
        temperature: divides the logits before softmax.
    """

    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    classes: ClassList
    temperature: float = 1.0

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """softmax(logits / temperature), float32 (n, C)."""
        return softmax(self.logits, self.temperature)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable class, int64 (n,)."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    def save(self, path: Path) -> None:
        """Write as ``.npz``, atomically."""
        with atomic_write(path) as file:
            np.savez(file, allow_pickle=False, **self.to_arrays())

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read a file written by :meth:`save`.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                return cls.of_arrays(file)
        except Exception as error:  # damaged archives raise many exception types
            raise DataError(f"{path} is not a valid predictions file. Evaluate again to replace it.") from error

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the fields as named arrays for a file."""
        temperature = np.array(self.temperature, dtype=np.float64)
        classes = np.array(self.classes.names, dtype=np.str_)
        return {
            "ids": self.ids, "labels": self.labels, "logits": self.logits, "temperature": temperature, "classes": classes,
        }  # fmt: skip

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Predictions:
        """Build predictions from the arrays of :meth:`to_arrays`.

        Raises:
            DataError: the shapes or labels do not match.
            KeyError: an array is missing.
        """
        # version 1 files have no class names; they always used FER2013's
        classes = ClassList(tuple(arrays["classes"].tolist())) if "classes" in arrays else ClassList.fer2013()
        found = cls(arrays["ids"], arrays["labels"], arrays["logits"], classes, float(arrays["temperature"]))
        n, labels = len(found.ids), found.labels
        if found.ids.shape != (n,) or labels.shape != (n,) or found.logits.shape != (n, len(classes)):
            raise DataError("The arrays of predictions do not match.")
        if n and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            raise DataError("The arrays of predictions do not match.")
        return found


@dataclass(frozen=True, eq=False)
class MatchedPredictions:
    """Predictions for faces of a data set, with the class match they are based on.

    Attributes:
        dataset: the faces, with the labels used.
        positions: int64 (n,), positions of the predicted faces in ``dataset``.
        predictions: predictions for these n faces.
        match: match between the classes of model and data.
        excluded: number of faces excluded because the model lacks their class, by class.
        sensitivity: sensitivity of the model, in 0…1.
        abstain_below: confidence threshold at this sensitivity.
        rated: predictions for all rated faces, whatever their label; None without votes.
    """

    dataset: FaceDataset
    positions: npt.NDArray[np.int64]
    predictions: Predictions
    match: ClassMatch
    excluded: dict[str, int]
    sensitivity: float = 0.0
    abstain_below: float = 0.0
    rated: RatedPredictions | None = None

    @property
    def caption(self) -> str:
        """Note on classes that only one side has; empty if both have the same."""
        return self.match.caption(self.excluded)


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one classifier on one split, computed from its predictions alone."""

    split: str
    classes: ClassList
    n: int
    accuracy: float
    accuracy_ci95: tuple[float, float]
    loss: float
    macro_f1: float | None
    per_class: dict[str, metrics.ClassScore]
    confusion: npt.NDArray[np.int64]
    ece: float

    @classmethod
    def of(cls, predictions: Predictions, split: str) -> Evaluation:
        """Compute all metrics from predictions."""
        labels, predicted = predictions.labels, predictions.predicted
        confusion = metrics.confusion_matrix(labels, predicted, len(predictions.classes))
        return cls(
            split=split,
            classes=predictions.classes,
            n=len(labels),
            accuracy=metrics.accuracy(labels, predicted),
            accuracy_ci95=metrics.wilson_interval(int((labels == predicted).sum()), len(labels)),
            loss=metrics.cross_entropy(predictions.logits / predictions.temperature, labels),
            macro_f1=metrics.macro_f1(confusion),
            per_class=dict(zip(predictions.classes, metrics.class_scores(confusion), strict=True)),
            confusion=confusion,
            ece=metrics.expected_calibration_error(predictions.probabilities, labels),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "split": self.split,
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_ci95": list(self.accuracy_ci95),
            "loss": self.loss,
            "macro_f1": self.macro_f1,
            "per_class": {
                name: {"precision": s.precision, "recall": s.recall, "f1": s.f1, "n": s.n}
                for name, s in self.per_class.items()
            },
            "confusion": self.confusion.tolist(),
            "labels": list(self.classes),
            "ece": self.ece,
        }


def model_outputs(
    classifier: Classifier,
    dataset: FaceDataset,
    indices: npt.NDArray[np.int64],
    tta: Tta = "none",
    on_progress: Progress | None = None,
) -> Outputs:
    """Run the model on some faces. ``tta="flip"`` averages the logits of each face and its mirror image."""
    faces = dataset.images[indices]
    passes = 2 if tta == "flip" else 1

    def report(offset: int, done: int) -> None:
        if on_progress:
            on_progress(offset + done, passes * len(faces))

    logits = classifier.logits(faces, on_progress=lambda done, _: report(0, done))
    if tta == "flip":
        mirrored = classifier.logits(faces[:, :, ::-1], on_progress=lambda done, _: report(len(faces), done))
        logits = np.asarray((logits + mirrored) / 2, dtype=np.float32)
    return Outputs(dataset.ids[indices], logits, classifier.classes, classifier.adjustment)


def predict_indices(
    classifier: Classifier,
    dataset: FaceDataset,
    indices: npt.NDArray[np.int64],
    tta: Tta = "none",
    on_progress: Progress | None = None,
    extra: ExtraClasses = "count",
) -> Predictions:
    """Predict the faces whose class the model has, see :func:`model_outputs`.

    Raises:
        ModelError: model and data have no class in common.
        DataError: the model has the class of none of the faces.
    """
    match = match_classes(classifier.classes, dataset.classes, extra)
    known = known_faces(match, dataset, indices)
    return model_outputs(classifier, dataset, known, tta, on_progress).predictions(match, dataset.labels[known])


def known_faces(match: ClassMatch, dataset: FaceDataset, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the ``indices`` of faces whose class the model has.

    Raises:
        DataError: there are none.
    """
    known = indices[match.axis_labels(dataset.labels[indices]) >= 0]
    if len(indices) and not len(known):
        raise DataError(
            f"The model has none of the classes of these faces. Its classes are {', '.join(match.model)}; it shares only "
            f"{', '.join(match.shared)} with {dataset.name}."
        )
    return known


def evaluate(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str,
    tta: Tta = "none",
    on_progress: Progress | None = None,
    extra: ExtraClasses = "count",
) -> tuple[Evaluation, Predictions]:
    """Evaluate on one split.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: model and data have no class in common.
    """
    predictions = predict_indices(classifier, dataset, dataset.indices(split), tta, on_progress, extra)
    return Evaluation.of(predictions, split), predictions
