from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core.evaluation import charts
from fer_core.evaluation.calibration import risk_coverage
from fer_core.evaluation.metrics import class_scores, reliability_bins
from fer_core.labels import COLOURS, LABELS

CONFUSION = np.diag([50, 5, 40, 90, 60, 40, 60]).astype(np.int64)
CONFUSION[2, 4] = 20
CONFUSION[0, 6] = 2


def plain(figure):
    return json.loads(figure.to_json())


def test_every_cell_of_the_matrix_can_be_clicked_and_names_its_classes_whatever_the_order():
    order = [2, 0, 1, 3, 4, 5, 6]
    figure = plain(charts.confusion_matrix(CONFUSION, "counts", order=order))
    heat, markers = charts.confusion_matrix(CONFUSION, "counts", order=order).data
    assert len(markers.x) == 49
    for x, y, (true, predicted) in zip(markers.x, markers.y, markers.customdata, strict=True):
        assert (true, predicted) == (order[y], order[x])
        count = CONFUSION[true, predicted]
        assert heat.text[y][x] == (str(count) if count else "·")
    assert figure["layout"]["yaxis"]["ticktext"][0] == "fear"
    assert figure["layout"]["title"]["text"] == "Fear is taken for sad most often: 33% of its faces"


def test_a_small_cell_is_coloured_well_apart_from_an_empty_one():
    heat = charts.confusion_matrix(CONFUSION, "rows").data[0]
    assert heat.z[0][6] / heat.zmax > 0.15  # 4 % of its row
    assert heat.z[0][1] == 0


def test_hiding_the_diagonal_leaves_the_colours_to_the_errors():
    heat = charts.confusion_matrix(CONFUSION, "rows", hide_diagonal=True).data[0]
    assert heat.zmax == pytest.approx((20 / 60) ** 0.5)
    assert heat.text[0][0] == ""


def test_a_matrix_without_errors_or_without_faces_is_still_a_figure():
    assert "Nothing" in charts.confusion_matrix(np.diag([1] * 7)).layout.title.text
    assert len(charts.confusion_matrix(np.zeros((7, 7), dtype=np.int64)).data) == 2


def test_a_class_without_examples_has_no_bars():
    confusion = CONFUSION.copy()
    confusion[1] = 0
    scores = dict(zip(LABELS, class_scores(confusion), strict=True))
    bars = [trace for trace in charts.class_scores(scores).data if trace.showlegend is False]
    assert len(bars) == 21
    for bar in bars:
        (name,) = bar.x
        assert bar.y == (getattr(scores[name], bar.name.lower()),)
        assert bar.marker.color == COLOURS[name]
        assert (bar.y[0] is None) == (name == "disgust")


def test_the_reliability_title_says_in_which_direction_the_confidence_errs():
    labels = np.zeros(100, dtype=np.int64)
    sure = np.tile([0.95] + [0.05 / 6] * 6, (100, 1))
    wrong = sure.copy()
    wrong[:60] = wrong[:60][:, [1, 0, 2, 3, 4, 5, 6]]
    assert "too sure" in charts.reliability(reliability_bins(wrong, labels), 0.55).layout.title.text
    modest = np.tile([0.4] + [0.1] * 6, (100, 1))
    assert "too modest" in charts.reliability(reliability_bins(modest, labels), 0.6).layout.title.text
    assert "at its word" in charts.reliability(reliability_bins(sure, labels), 0.01).layout.title.text


def test_the_point_on_the_risk_coverage_curve_is_the_threshold():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(7), 200)
    curve = risk_coverage(p, rng.integers(0, 7, 200))
    line, point = charts.risk_coverage(curve, 0.5).data
    assert (point.x[0], point.y[0]) == curve.at(0.5)
    assert len(line.x) == len(curve.coverage)
    assert "no face" in charts.risk_coverage(curve, 1.0).layout.title.text


def test_the_difference_of_two_matrices_shows_signs():
    difference = np.zeros((7, 7), dtype=np.int64)
    difference[2, 4], difference[2, 2] = -4, 4
    heat = charts.matrix_difference(difference, "found").data[0]
    assert heat.text[2][4] == "-4"
    assert heat.z[2][4] == -1
    assert heat.text[2][2] == "+4"


def test_probabilities_carry_the_colours_of_the_emotions():
    bars = charts.probabilities(np.full(7, 1 / 7), "found").data[0]
    assert list(bars.marker.color) == [COLOURS[name] for name in LABELS]
    assert bars.text[0] == "14.3 %"
