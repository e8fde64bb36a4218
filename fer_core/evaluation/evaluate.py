"""A classifier on one split of a data set: predictions, and the figures made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import LABELS
from fer_core.data import FaceDataset
from fer_core.errors import DataError, ModelError
from fer_core.evaluation import metrics
from fer_core.inference import Classifier, softmax
from fer_core.inference.classifier import Progress
from fer_core.workspace import atomic_write

Tta = Literal["none", "flip"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier said about some faces of a data set, in the order of :data:`fer_core.classes.LABELS`.

    Attributes:
        ids: str (n,), the faces' ids.
        labels: int64 (n,), the data set's labels.
        logits: float32 (n, 7).
        temperature: divides the logits before softmax.
    """

    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    temperature: float = 1.0

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """softmax(logits / temperature), float32 (n, 7)."""
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
        """Read back what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                return cls.of_arrays(file)
        except Exception as error:  # damaged archives raise nearly anything
            raise DataError(f"{path} is not a predictions file or is damaged. Evaluate again to replace it.") from error

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As plain arrays by name, for a file."""
        temperature = np.array(self.temperature, dtype=np.float64)
        return {"ids": self.ids, "labels": self.labels, "logits": self.logits, "temperature": temperature}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Predictions:
        """What :meth:`to_arrays` gave.

        Raises:
            DataError: the arrays do not belong together.
            KeyError: one of them is missing.
        """
        found = cls(arrays["ids"], arrays["labels"], arrays["logits"], float(arrays["temperature"]))
        n = len(found.ids)
        if found.ids.shape != (n,) or found.labels.shape != (n,) or found.logits.shape != (n, len(LABELS)):
            raise DataError("The arrays of predictions do not belong together.")
        return found


@dataclass(frozen=True)
class Evaluation:
    """The figures of one classifier on one split; every one follows from the predictions alone."""

    split: str
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
        """Compute all figures from predictions."""
        labels, predicted = predictions.labels, predictions.predicted
        confusion = metrics.confusion_matrix(labels, predicted, len(LABELS))
        return cls(
            split=split,
            n=len(labels),
            accuracy=metrics.accuracy(labels, predicted),
            accuracy_ci95=metrics.wilson_interval(int((labels == predicted).sum()), len(labels)),
            loss=metrics.cross_entropy(predictions.logits / predictions.temperature, labels),
            macro_f1=metrics.macro_f1(confusion),
            per_class=dict(zip(LABELS, metrics.class_scores(confusion), strict=True)),
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
            "labels": list(LABELS),
            "ece": self.ece,
        }


def label_order(names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Columns that bring logits in the order ``names`` into the order of LABELS, mapped by name.

    Raises:
        ModelError: the classes differ; both lists are given.
    """
    from fer_core.classes import find_label

    found = [find_label(name) for name in names]
    if sorted(index for index in found if index is not None) != list(range(len(LABELS))) or None in found:
        raise ModelError(
            f"The model's classes ({', '.join(names)}) differ from the data's ({', '.join(LABELS)}), so it cannot be evaluated on it."
        )
    return np.array([found.index(index) for index in range(len(LABELS))], dtype=np.int64)


def predict_indices(
    classifier: Classifier,
    dataset: FaceDataset,
    indices: npt.NDArray[np.int64],
    tta: Tta = "none",
    on_progress: Progress | None = None,
) -> Predictions:
    """Predictions for some faces of a data set. ``tta="flip"`` averages the logits of a face and its mirror image."""
    order = label_order(classifier.labels)
    faces = dataset.images[indices]
    passes = 2 if tta == "flip" else 1

    def report(offset: int, done: int) -> None:
        if on_progress:
            on_progress(offset + done, passes * len(faces))

    logits = classifier.logits(faces, on_progress=lambda done, _: report(0, done))
    if tta == "flip":
        mirrored = classifier.logits(faces[:, :, ::-1], on_progress=lambda done, _: report(len(faces), done))
        logits = np.asarray((logits + mirrored) / 2, dtype=np.float32)
    return Predictions(
        dataset.ids[indices], dataset.labels[indices], logits[:, order], temperature=classifier.info.temperature
    )


def evaluate(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str,
    tta: Tta = "none",
    on_progress: Progress | None = None,
) -> tuple[Evaluation, Predictions]:
    """Evaluate on one split.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: the model's classes differ from the data's.
    """
    predictions = predict_indices(classifier, dataset, dataset.indices(split), tta, on_progress)
    return Evaluation.of(predictions, split), predictions
