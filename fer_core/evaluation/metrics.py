"""Classification metrics as pure array functions; the tests check them against scikit-learn, which is no dependency.

Precision, recall and F1 of a class without examples are None and excluded from macro averages, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


def accuracy(labels: Ints, predicted: Ints) -> float:
    """Return the share of correct predictions; both int64 (N,), N ≥ 1."""
    return float(np.mean(labels == predicted))


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95% Wilson score interval of a proportion (Wilson 1927); (0, 1) for n = 0."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def confusion_matrix(labels: Ints, predicted: Ints, classes: int) -> Ints:
    """Return counts, int64 (classes, classes), with true classes as rows and predicted classes as columns."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Scores of one class. ``precision`` is None if the class was never predicted; all are None if n = 0."""

    precision: float | None
    recall: float | None
    f1: float | None
    n: int


def class_scores(confusion: Ints) -> list[ClassScore]:
    """Compute precision, recall and F1 = 2TP / (2TP + FP + FN) of each class of a confusion matrix (C, C)."""
    scores = []
    for index in range(len(confusion)):
        hits = int(confusion[index, index])
        n, predicted = int(confusion[index].sum()), int(confusion[:, index].sum())
        if n == 0:
            scores.append(ClassScore(None, None, None, 0))
            continue
        scores.append(ClassScore(hits / predicted if predicted else None, hits / n, 2 * hits / (n + predicted), n))
    return scores


def macro_f1(confusion: Ints) -> float | None:
    """Return the mean F1 over classes with examples, or None if there are none."""
    values = [score.f1 for score in class_scores(confusion) if score.f1 is not None]
    return float(np.mean(values)) if values else None


def cross_entropy(logits: Floats, labels: Ints) -> float:
    """Return the mean of −ln softmax(logits)[label] in nats, computed in float64; logits (N, C), labels (N,)."""
    return float(np.mean(cross_entropy_each(logits, labels)))


def cross_entropy_each(logits: Floats, labels: Ints) -> npt.NDArray[np.float64]:
    """Return −ln softmax(logits)[label] in nats for each face, float64 (N,)."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(labels)), labels])


def soft_cross_entropy(logits: Floats, targets: Floats) -> float:
    """Return the mean of −Σ t_k ln softmax(logits)_k in nats, in float64; rows of the targets t (N, C) sum to 1."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return float(-np.mean((np.asarray(targets, dtype=np.float64) * log_p).sum(axis=1)))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin (low, high] of a reliability diagram: mean confidence, accuracy and number of faces."""

    low: float
    high: float
    confidence: float
    accuracy: float
    n: int


def reliability_bins(probabilities: Floats, labels: Ints, bins: int = 15) -> list[ReliabilityBin]:
    """Compute equal-width bins over the top probability, without empty ones. probabilities (N, C), labels (N,)."""
    top = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for index in range(bins):
        inside = place == index
        if n := int(inside.sum()):
            found.append(
                ReliabilityBin(
                    index / bins, (index + 1) / bins, float(top[inside].mean()), float(correct[inside].mean()), n
                )
            )
    return found


def expected_calibration_error(probabilities: Floats, labels: Ints, bins: int = 15) -> float:
    """Compute the top-label ECE: Σ n_b/N · |accuracy_b − confidence_b| over equal-width bins (Guo et al. 2017, eq. 3)."""
    total = len(labels)
    return sum(b.n / total * abs(b.accuracy - b.confidence) for b in reliability_bins(probabilities, labels, bins))


def most_confused(confusion: Ints, names: Sequence[str], top: int = 5) -> list[tuple[str, str, int, float]]:
    """Return the largest off-diagonal cells as (true, predicted, count, share of the true class), by share, descending."""
    cells = [
        (names[row], names[column], int(confusion[row, column]), float(confusion[row, column] / confusion[row].sum()))
        for row in range(len(confusion))
        for column in range(len(confusion))
        if row != column and confusion[row, column]
    ]
    return sorted(cells, key=lambda cell: (-cell[3], cell[0], cell[1]))[:top]
