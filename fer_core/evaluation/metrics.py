"""Metrics as pure array functions. scikit-learn is the oracle in the tests, not a dependency.

A class without examples has no precision, recall or F1: it is None and left out of macro averages, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


def accuracy(labels: Ints, predicted: Ints) -> float:
    """Share of equal entries; both int64 (N,), N ≥ 1."""
    return float(np.mean(labels == predicted))


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95% Wilson score interval for a proportion (Wilson 1927); (0, 1) for n = 0."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def confusion_matrix(labels: Ints, predicted: Ints, classes: int) -> Ints:
    """Counts, int64 (classes, classes): row = true class, column = predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Scores of one class. ``precision`` is None when the class was never predicted, all are None when n = 0."""

    precision: float | None
    recall: float | None
    f1: float | None
    n: int


def class_scores(confusion: Ints) -> list[ClassScore]:
    """Precision, recall and F1 = 2TP / (2TP + FP + FN) of each class of a confusion matrix (C, C)."""
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
    """Mean F1 over the classes that have examples; None when there is none."""
    values = [score.f1 for score in class_scores(confusion) if score.f1 is not None]
    return float(np.mean(values)) if values else None


def cross_entropy(logits: Floats, labels: Ints) -> float:
    """Mean of −ln softmax(logits)[label] in nats; logits (N, C), labels (N,); computed in float64."""
    return float(np.mean(cross_entropy_each(logits, labels)))


def cross_entropy_each(logits: Floats, labels: Ints) -> npt.NDArray[np.float64]:
    """−ln softmax(logits)[label] for each face, float64 (N,)."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(labels)), labels])


def soft_cross_entropy(logits: Floats, targets: Floats) -> float:
    """Mean of −Σ t_k ln softmax(logits)_k in nats, for targets t (N, C) whose rows sum to 1; computed in float64."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return float(-np.mean((np.asarray(targets, dtype=np.float64) * log_p).sum(axis=1)))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram: (low, high], mean confidence and accuracy in it, number of faces."""

    low: float
    high: float
    confidence: float
    accuracy: float
    n: int


def reliability_bins(probabilities: Floats, labels: Ints, bins: int = 15) -> list[ReliabilityBin]:
    """Equal-width bins over the top probability; empty bins are left out. probabilities (N, C), labels (N,)."""
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
    """ECE of the top label: Σ n_b/N · |accuracy_b − confidence_b| over equal-width bins (Guo et al. 2017, eq. 3)."""
    total = len(labels)
    return sum(b.n / total * abs(b.accuracy - b.confidence) for b in reliability_bins(probabilities, labels, bins))


def most_confused(confusion: Ints, names: Sequence[str], top: int = 5) -> list[tuple[str, str, int, float]]:
    """Largest off-diagonal cells as (true, predicted, count, share of the true class), by share, descending."""
    cells = [
        (names[row], names[column], int(confusion[row, column]), float(confusion[row, column] / confusion[row].sum()))
        for row in range(len(confusion))
        for column in range(len(confusion))
        if row != column and confusion[row, column]
    ]
    return sorted(cells, key=lambda cell: (-cell[3], cell[0], cell[1]))[:top]
