"""Temperature scaling and selective prediction (abstaining below a confidence threshold)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.evaluation.metrics import cross_entropy
from fer_core.inference.checkpoint import CalibrationPoint
from fer_core.inference.sensitivity import logit_shift

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Bounds of the fitted temperature."""
SENSITIVITIES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Sensitivities at which temperature and threshold are fitted; values between them are interpolated."""


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """Fit the temperature T > 0 that minimizes the cross-entropy of softmax(logits / T) (Guo et al. 2017, section 4.2).

    logits float (N, C), labels int64 (N,). The loss is convex in 1/T, so a bounded scalar search finds the minimum.
    """
    from scipy.optimize import minimize_scalar

    scores = np.asarray(logits, dtype=np.float64)
    found = minimize_scalar(
        lambda inverse: cross_entropy(scores * inverse, labels), bounds=(1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    return float(1 / found.x)


def fit_table(logits: Floats, labels: Ints, prior: tuple[float, ...]) -> tuple[CalibrationPoint, ...]:
    """Fit a temperature for each of :data:`SENSITIVITIES`; all thresholds are 0 (never abstain).

    Args:
        logits: raw logits, float (N, C).
        labels: int64 (N,).
        prior: share of each of the C classes in the training faces.
    """
    points = []
    for sensitivity in SENSITIVITIES:
        shifted = np.asarray(logits, dtype=np.float64) - logit_shift(prior, len(prior), sensitivity)
        temperature = fit_temperature(shifted, labels)
        points.append(CalibrationPoint(sensitivity=sensitivity, temperature=temperature, abstain_below=0.0))
    return tuple(points)


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Risk-coverage curve: error rate over the share of faces predicted, for each threshold on the top probability.

    Attributes:
        thresholds: float64 (M,), ascending; M is the number of distinct top probabilities.
        coverage: float64 (M,), share of faces with top probability ≥ threshold.
        risk: float64 (M,), error rate on these faces.
        area: area under the curve (AURC, Geifman et al. 2019); lower is better.
    """

    thresholds: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]
    area: float

    def at(self, threshold: float) -> tuple[float, float | None]:
        """Return (coverage, risk) when abstaining below ``threshold``; risk is None if coverage is 0."""
        place = int(np.searchsorted(self.thresholds, threshold - 1e-12))
        if place == len(self.thresholds):
            return 0.0, None
        return float(self.coverage[place]), float(self.risk[place])


def risk_coverage(probabilities: Floats, labels: Ints) -> RiskCoverage:
    """Compute risk and coverage at every threshold (El-Yaniv & Wiener 2010). probabilities (N, C), labels (N,), N ≥ 1."""
    top = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    wrong = (probabilities.argmax(axis=1) != labels).astype(np.float64)
    order = np.argsort(-top, kind="stable")
    answered = np.arange(1, len(top) + 1)
    risks = np.cumsum(wrong[order]) / answered
    last_of_value = np.append(np.flatnonzero(np.diff(top[order])), len(top) - 1)
    pick = last_of_value[::-1]
    return RiskCoverage(top[order][pick], answered[pick] / len(top), risks[pick], float(risks.mean()))
