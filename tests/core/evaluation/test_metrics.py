from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from fer_core.evaluation import metrics


@pytest.fixture(params=range(5))
def case(request):
    rng = np.random.default_rng(request.param)
    logits = rng.normal(size=(400, 7)) * 2
    labels = np.where(rng.random(400) < 0.6, logits.argmax(1), rng.integers(0, 7, 400))
    exponentials = np.exp(logits)
    return logits, exponentials / exponentials.sum(1, keepdims=True), labels.astype(np.int64)


def test_metrics_agree_with_scikit_learn(case):
    logits, probabilities, labels = case
    predicted = logits.argmax(1)
    confusion = metrics.confusion_matrix(labels, predicted, 7)
    np.testing.assert_array_equal(confusion, oracle.confusion_matrix(labels, predicted, labels=range(7)))
    precision, recall, f1, n = oracle.precision_recall_fscore_support(labels, predicted, labels=range(7))
    for index, score in enumerate(metrics.class_scores(confusion)):
        assert (score.precision, score.recall, score.f1) == pytest.approx(
            (precision[index], recall[index], f1[index]), abs=1e-12
        )
        assert score.n == n[index]
    assert metrics.macro_f1(confusion) == pytest.approx(oracle.f1_score(labels, predicted, average="macro"), abs=1e-12)
    assert metrics.accuracy(labels, predicted) == pytest.approx(oracle.accuracy_score(labels, predicted), abs=1e-12)
    assert metrics.cross_entropy(logits, labels) == pytest.approx(
        oracle.log_loss(labels, probabilities, labels=range(7)), abs=1e-12
    )


def test_soft_cross_entropy_of_whole_votes_is_the_cross_entropy(case):
    logits, probabilities, labels = case
    assert metrics.soft_cross_entropy(logits, np.eye(7)[labels]) == pytest.approx(
        metrics.cross_entropy(logits, labels), abs=1e-12
    )
    targets = np.random.default_rng(0).dirichlet(np.ones(7), len(labels))
    slow = -np.mean([sum(t * np.log(p)) for t, p in zip(targets, probabilities, strict=True)])
    assert metrics.soft_cross_entropy(logits, targets) == pytest.approx(slow, abs=1e-12)


def slow_ece(probabilities, labels, bins):
    total = 0.0
    for index in range(bins):
        inside = [i for i, row in enumerate(probabilities) if index / bins < max(row) <= (index + 1) / bins]
        if inside:
            hits = sum(list(probabilities[i]).index(max(probabilities[i])) == labels[i] for i in inside)
            total += abs(hits - sum(max(probabilities[i]) for i in inside))
    return total / len(labels)


def test_calibration_error_agrees_with_a_slow_plain_version(case):
    _, probabilities, labels = case
    assert metrics.expected_calibration_error(probabilities, labels) == pytest.approx(
        slow_ece(probabilities, labels, 15), abs=1e-12
    )


def test_calibration_error_by_hand():
    # two faces at 0.9, one right: |0.5 - 0.9|; two at 0.6, both right: |1 - 0.6|; each bin weighs one half
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert metrics.expected_calibration_error(probabilities, np.array([0, 1, 0, 0]), bins=10) == pytest.approx(0.4)


def test_wilson_interval_by_the_textbook():
    # Newcombe 1998, table I: 81 of 263 -> 0.2553 to 0.3662; 0 of 20 -> 0 to 0.1611
    assert metrics.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert metrics.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)


def test_a_class_without_examples_has_no_scores_and_no_weight_in_the_mean():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    scores = metrics.class_scores(confusion)
    assert scores[2] == metrics.ClassScore(None, None, None, 0)
    assert metrics.macro_f1(confusion) == pytest.approx((scores[0].f1 + scores[1].f1) / 2)
    assert metrics.macro_f1(np.zeros((3, 3), int)) is None


def test_a_class_never_predicted_has_no_precision_but_a_recall_of_zero():
    score = metrics.class_scores(np.array([[0, 2], [0, 3]]))[0]
    assert score.precision is None
    assert (score.recall, score.f1) == (0.0, 0.0)


def test_the_most_confused_pairs_come_by_share_of_the_true_class():
    confusion = np.array([[90, 10, 0], [5, 5, 0], [0, 3, 97]])
    assert metrics.most_confused(confusion, "abc", 2) == [("b", "a", 5, 0.5), ("a", "b", 10, 0.1)]


def test_cross_entropy_survives_large_logits():
    assert metrics.cross_entropy(np.array([[1000.0, 0.0]]), np.array([0])) == pytest.approx(0.0)
    assert metrics.cross_entropy(np.array([[1000.0, 0.0]]), np.array([1])) == pytest.approx(1000.0)
