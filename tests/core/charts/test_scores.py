from __future__ import annotations

import numpy as np

from fer_core import charts
from fer_core.classes import ClassList
from fer_core.evaluation.calibration import risk_coverage
from fer_core.evaluation.metrics import class_scores, reliability_bins

SEVEN = ClassList.fer2013()

CONFUSION = np.diag([50, 5, 40, 90, 60, 40, 60]).astype(np.int64)
CONFUSION[2, 4] = 20
CONFUSION[0, 6] = 2


def test_a_class_without_examples_has_no_bars():
    confusion = CONFUSION.copy()
    confusion[1] = 0
    scores = dict(zip(SEVEN, class_scores(confusion), strict=True))
    bars = [trace for trace in charts.class_scores(scores, SEVEN).data if trace.showlegend is False]
    assert len(bars) == 21
    for bar in bars:
        (name,) = bar.x
        assert bar.y == (getattr(scores[name], bar.name.lower()),)
        assert bar.marker.color == SEVEN.color(name)
        assert (bar.y[0] is None) == (name == "disgust")


def test_the_reliability_title_says_in_which_direction_the_confidence_errs():
    labels = np.zeros(100, dtype=np.int64)
    sure = np.tile([0.95] + [0.05 / 6] * 6, (100, 1))
    wrong = sure.copy()
    wrong[:60] = wrong[:60][:, [1, 0, 2, 3, 4, 5, 6]]
    assert "is overconfident" in charts.reliability(reliability_bins(wrong, labels), 0.55).layout.title.text
    modest = np.tile([0.4] + [0.1] * 6, (100, 1))
    assert "underconfident" in charts.reliability(reliability_bins(modest, labels), 0.6).layout.title.text
    assert "well calibrated" in charts.reliability(reliability_bins(sure, labels), 0.01).layout.title.text


def test_the_point_on_the_risk_coverage_curve_is_the_threshold():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), 200)
    curve = risk_coverage(p, rng.integers(0, 7, 200))
    line, point = charts.risk_coverage(curve, 0.5).data
    assert (point.x[0], point.y[0]) == curve.at(0.5)
    assert len(line.x) == len(curve.coverage)
    assert "abstains from every face" in charts.risk_coverage(curve, 1.0).layout.title.text
