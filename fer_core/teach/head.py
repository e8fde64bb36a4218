"""The own last layer: multinomial logistic regression on penultimate features, its figures, and its calibration.

A face never helps to judge its own take: leave-one-take-out trains without the take it predicts, standardizes without it and
chooses the regularization without it. Changed views train only; test faces are unchanged.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.evaluation.calibration import fit_temperature
from fer_core.inference import softmax

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Tick = Callable[[], None]

STRENGTHS: Final = (0.03, 0.3, 3.0)
"""Inverse regularization strengths C that are tried; the weights of all training faces sum to the number of classes."""
DEFAULT_STRENGTH: Final = 0.3
"""The strength if no class has two takes, so that there is nothing to choose by."""
INNER_FOLDS: Final = 3
"""Folds of takes by which the strength is chosen."""
RANDOM_FOLDS: Final = 5
MAX_LEFT_OUT: Final = 30
"""Largest number of takes that are left out; each costs ten fits. Of more takes, that many are left out, evenly chosen."""
RESAMPLES: Final = 2_000
KNOWN_NOT_SURE: Final = 0.06
"""Share of the faces of known classes below the threshold, in takes the model was not trained on; 0.1 is the limit set."""
MIN_TEMPERATURE: Final = 1.0
"""A lower temperature would claim more certainty than the fit, which a few takes cannot support."""
FAR: Final = 0.05
"""Share of the faces of known classes, in takes left out, that are further from all class means than the gate's radius."""

GATE_STEEPNESS: Final = 10.0
"""The same as ``fer_core.models.gate.STEEPNESS``, which cannot be imported without PyTorch."""

_SEED: Final = 19
_ITERATIONS: Final = 300
_FLOOR: Final = 0.05
"""Share of the median deviation that is added to each feature's deviation; else features that hardly vary would count most."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Features of all takes.

    Attributes:
        features: float32 (N, V, D), V views of N faces, the unchanged one first.
        labels: int64 (N,), position of the class.
        takes: int64 (N,), position of the take.
        classes: number of classes.
    """

    features: Floats
    labels: Ints
    takes: Ints
    classes: int

    @property
    def label_of_take(self) -> Ints:
        """The class of each take, int64 (T,)."""
        _, first = np.unique(self.takes, return_index=True)
        return self.labels[first]


@dataclass(frozen=True, eq=False)
class Head:
    """A last layer: logits = features · weightᵀ + bias.

    Attributes:
        weight: float64 (C, D).
        bias: float64 (C,).
    """

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def logits(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return float64 (N, C) for features (N, D)."""
        return np.asarray(features @ self.weight.T + self.bias)


@dataclass(frozen=True, eq=False)
class Gate:
    """The numbers of a :class:`fer_core.models.gate.DistanceGate`.

    Attributes:
        means: float64 (C, D), mean features of each class.
        radius: distance at which logits are halved; None for no gate.
    """

    means: npt.NDArray[np.float64]
    radius: float | None = None

    def distances(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return the distance of features (N, D) from the nearest class mean, float64 (N,)."""
        squares = [((features - mean) ** 2).sum(axis=1) for mean in self.means]
        return np.asarray(np.sqrt(np.min(squares, axis=0)))

    def scaled(self, logits: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return logits (N, C) as the gate scales them at these distances (N,)."""
        if self.radius is None:
            return logits
        exponent = np.clip(-GATE_STEEPNESS * (1 - distances / self.radius), -700, 700)
        return np.asarray(logits / (1 + np.exp(exponent))[:, None])


def class_means(sample: Sample, faces: npt.NDArray[np.bool_]) -> Gate:
    """Return the mean features of each class over all views of some faces, every take weighted equally; no radius yet."""
    weights = np.zeros(len(sample.labels))
    weights[faces] = _weights(sample.labels[faces], sample.takes[faces])
    views = sample.features.mean(axis=1, dtype=np.float64)
    return Gate(
        np.stack(
            [(views * (weights * (sample.labels == label))[:, None]).sum(axis=0) for label in range(sample.classes)]
        )
    )


def fit(sample: Sample, faces: npt.NDArray[np.bool_], strength: float) -> Head:
    """Fit multinomial logistic regression to all views of some faces.

    Every class has the same total weight, every take of a class the same part of it, every face of a take and every view the same
    part of that: how often something was recorded says nothing about how often it will be shown.

    Args:
        sample: all takes.
        faces: bool (N,), the training faces; each class needs one.
        strength: inverse regularization strength.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels, takes = sample.labels[faces], sample.takes[faces]
    views = sample.features.shape[1]
    x = sample.features[faces].reshape(len(labels) * views, -1).astype(np.float64)
    weights = np.repeat(_weights(labels, takes), views) / views
    mean = np.average(x, axis=0, weights=weights)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
    deviation += _FLOOR * float(np.median(deviation)) + 1e-6
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weak regularization ends early, which is as good
        model.fit((x - mean) / deviation, np.repeat(labels, views), sample_weight=weights)
    weight, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weight) == 1:  # two classes: one logit, of the second against the first
        weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    weight = weight / deviation
    return Head(weight, bias - weight @ mean)


def _weights(labels: Ints, takes: Ints) -> npt.NDArray[np.float64]:
    """Return the weight of each face; their sum is the number of classes."""
    weights = np.empty(len(labels))
    for label in np.unique(labels):
        own = np.unique(takes[labels == label])
        for take in own:
            inside = takes == take
            weights[inside] = 1 / (len(own) * inside.sum())
    return weights


def share_right(labels: Ints, predicted: Ints, takes: Ints) -> npt.NDArray[np.float64]:
    """Return the share of correct predictions in each of the takes that occur, float64 (T,), in ascending order."""
    return np.array([np.mean(labels[takes == take] == predicted[takes == take]) for take in np.unique(takes)])


def choose_strength(sample: Sample, faces: npt.NDArray[np.bool_], tick: Tick) -> float:
    """Return the strength with the lowest mean cross-entropy over takes that were left out of the fit.

    Takes are left out in :data:`INNER_FOLDS` folds, at most one of a class in each; a class's only take is never left out.
    """
    folds = list(_take_folds(sample, faces))
    if not folds:
        return DEFAULT_STRENGTH
    losses = []
    for strength in STRENGTHS:
        each: list[float] = []
        for out in folds:
            tick()
            logits = fit(sample, faces & ~out, strength).logits(sample.features[out][:, 0])
            probabilities = np.asarray(softmax(logits), np.float64)
            own = probabilities[np.arange(len(logits)), sample.labels[out]]
            takes = sample.takes[out]
            each += [float(-np.log(np.clip(own[takes == take], 1e-3, 1)).mean()) for take in np.unique(takes)]
        losses.append(float(np.mean(each)))
    return STRENGTHS[int(np.argmin(losses))]


def _take_folds(sample: Sample, faces: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield the faces left out in each fold, bool (N,)."""
    places = np.full(len(sample.label_of_take), -1)
    for label in range(sample.classes):
        own = np.unique(sample.takes[faces & (sample.labels == label)])
        if len(own) > 1:
            places[own] = np.arange(len(own)) % min(INNER_FOLDS, len(own))
    for fold in range(INNER_FOLDS):
        out = faces & (places[sample.takes] == fold)
        if out.any():
            yield out


@dataclass(frozen=True, eq=False)
class OutOfTake:
    """Predictions for the faces of takes that were left out, one at a time.

    Attributes:
        faces: bool (N,), the faces predicted: those of classes with at least two takes.
        logits: float64 (N, C), before the gate; rows of other faces are 0.
        distances: float64 (N,), from the nearest mean of a class without the take; 0 for other faces.
    """

    faces: npt.NDArray[np.bool_]
    logits: npt.NDArray[np.float64]
    distances: npt.NDArray[np.float64]


def leave_one_take_out(sample: Sample, tick: Tick) -> OutOfTake:
    """Predict each take by a model that was fitted, with its strength, without it.

    A class with one take has no fold of its own: without that take, the model would not know the class. Of more than
    :data:`MAX_LEFT_OUT` takes, that many are left out.
    """
    labels = sample.label_of_take
    counts = np.bincount(labels, minlength=sample.classes)
    several = np.flatnonzero(counts[labels] > 1)
    if len(several) > MAX_LEFT_OUT:
        several = several[np.linspace(0, len(several) - 1, MAX_LEFT_OUT).round().astype(int)]
    logits = np.zeros((len(sample.labels), sample.classes))
    distances = np.zeros(len(sample.labels))
    done = np.zeros(len(sample.labels), bool)
    for take in several.tolist():
        out = sample.takes == take
        head = fit(sample, ~out, choose_strength(sample, ~out, tick))
        unchanged = sample.features[out][:, 0]
        logits[out] = head.logits(unchanged)
        distances[out] = class_means(sample, ~out).distances(unchanged)
        done |= out
    return OutOfTake(done, logits, distances)


def random_frames(sample: Sample, strength: float, tick: Tick) -> Ints:
    """Predict faces as if frames were independent: five folds of shuffled faces; return int64 (N,).

    Frames of the predicted face's own take are among the training faces, which is the mistake this shows.
    """
    n = len(sample.labels)
    folds = np.random.default_rng(_SEED).permutation(n) % min(RANDOM_FOLDS, n)
    predicted = np.zeros(n, np.int64)
    for fold in range(int(folds.max()) + 1):
        tick()
        inside = folds != fold
        if len(np.unique(sample.labels[inside])) < sample.classes:
            inside = inside | (np.bincount(sample.labels[inside], minlength=sample.classes)[sample.labels] == 0)
        logits = fit(sample, inside, strength).logits(sample.features[folds == fold][:, 0])
        predicted[folds == fold] = logits.argmax(axis=1)
    return predicted


def bootstrap_interval(shares: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95% percentile interval of the mean over takes, from resampled takes (Efron & Tibshirani 1993, chapter 13)."""
    rng = np.random.default_rng(_SEED)
    means = shares[rng.integers(0, len(shares), (RESAMPLES, len(shares)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What turns logits into probabilities and "not sure".

    Attributes:
        gate: makes faces unlike all classes uncertain.
        temperature: divides the gated logits.
        abstain_below: threshold on the top probability.
    """

    gate: Gate
    temperature: float
    abstain_below: float


def calibrate(sample: Sample, out_of_take: OutOfTake) -> Calibration:
    """Fit gate, temperature and threshold to takes that were left out, every take weighted equally.

    The gate's radius is the distance that :data:`FAR` of the faces exceed. The temperature minimizes the cross-entropy of the gated
    logits. Below the threshold is the top probability of :data:`KNOWN_NOT_SURE` of the faces. Without a take that can be left
    out: no gate, temperature 1, no threshold.
    """
    gate = class_means(sample, np.ones(len(sample.labels), bool))
    faces = out_of_take.faces
    if not faces.any():
        return Calibration(gate, 1.0, 0.0)
    labels, takes, distances = sample.labels[faces], sample.takes[faces], out_of_take.distances[faces]
    weights = np.array([1 / (takes == take).sum() for take in takes])
    gate = Gate(gate.means, max(_quantile(distances, weights, 1 - FAR), 1e-6))
    logits = gate.scaled(out_of_take.logits[faces], distances)
    temperature = max(MIN_TEMPERATURE, fit_temperature(logits, labels))
    top = softmax(logits, temperature).max(axis=1)
    return Calibration(gate, temperature, _quantile(top, weights, KNOWN_NOT_SURE))


def _quantile(values: npt.NDArray[np.floating], weights: npt.NDArray[np.float64], share: float) -> float:
    """Return the value below which ``share`` of the weight lies."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(below, share)), len(order) - 1)])


def confusion(labels: Ints, predicted: Ints, classes: int) -> list[list[int]]:
    """Return counts as nested lists, true classes as rows and predicted classes as columns."""
    from fer_core.evaluation.metrics import confusion_matrix

    return [list(map(int, row)) for row in confusion_matrix(labels, predicted, classes)]
