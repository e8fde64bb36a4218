from __future__ import annotations

import numpy as np
import pytest

from fer_core.evaluation.calibration import SENSITIVITIES, fit_table, fit_temperature, risk_coverage
from fer_core.evaluation.metrics import cross_entropy, expected_calibration_error
from fer_core.inference import softmax


def calibrated(n=20_000, seed=0):
    """Logits whose softmax is the true distribution of the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 7)) * 1.5
    cumulative = softmax(logits).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > cumulative).sum(axis=1).clip(max=6)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_fitted_temperature_undoes_a_known_scaling(factor):
    logits, labels = calibrated()
    temperature = fit_temperature(logits * factor, labels)
    assert temperature == pytest.approx(factor, rel=0.03)
    assert expected_calibration_error(softmax(logits * factor, temperature), labels) < 0.02


def test_the_fitted_temperature_is_the_minimum_of_the_loss():
    logits, labels = calibrated(n=2000)
    best = fit_temperature(logits * 2, labels)
    losses = {t: cross_entropy(logits * 2 / t, labels) for t in (best * 0.97, best, best * 1.03)}
    assert min(losses, key=losses.get) == best


def test_risk_and_coverage_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 1])  # right, wrong, right, wrong
    curve = risk_coverage(probabilities, labels)
    np.testing.assert_allclose(curve.thresholds, [0.6, 0.8, 0.9])
    np.testing.assert_allclose(curve.coverage, [1, 0.75, 0.25])
    np.testing.assert_allclose(curve.risk, [0.5, 1 / 3, 0])
    assert curve.at(0.7) == pytest.approx((0.75, 1 / 3))
    assert curve.at(0.95) == (0.0, None)
    assert curve.at(0) == (1.0, 0.5)


def test_risk_at_full_coverage_is_the_error_rate():
    logits, labels = calibrated(n=500)
    curve = risk_coverage(softmax(logits), labels)
    assert curve.coverage[0] == 1
    assert curve.risk[0] == pytest.approx(np.mean(logits.argmax(1) != labels))


def test_the_table_holds_the_best_temperature_at_each_sensitivity():
    logits, labels = calibrated(2000)
    prior = (0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.0)
    table = fit_table(logits, labels, prior)
    assert [point.sensitivity for point in table] == list(SENSITIVITIES)
    for point in table:
        shifted = logits - point.sensitivity * np.log(np.array(prior) + 0.005)
        best = cross_entropy(shifted / point.temperature, labels)
        assert best <= min(cross_entropy(shifted / (point.temperature * f), labels) for f in (0.9, 1.1))
    assert table[0].temperature == pytest.approx(fit_temperature(logits, labels))
