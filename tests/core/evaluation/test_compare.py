from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from fer_core.classes import ClassList
from fer_core.errors import DataError
from fer_core.evaluation import Predictions
from fer_core.evaluation.compare import compare, mcnemar

SEVEN = ClassList.fer2013()


def predictions(answers, labels, ids=None) -> Predictions:
    logits = np.eye(7, dtype=np.float32)[np.array(answers)] * 5
    ids = np.array(ids or [f"f{i}" for i in range(len(answers))])
    return Predictions(ids, np.array(labels, dtype=np.int64), logits, SEVEN)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 15), (10, 10), (120, 80), (3, 40)])
def test_the_p_value_agrees_with_scipys_binomial_test(b, c):
    first = np.array([True] * b + [False] * c + [True] * 7 + [False] * 5)
    second = np.array([False] * b + [True] * c + [True] * 7 + [False] * 5)
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (b, c)
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert result.p_value == pytest.approx(expected, rel=1e-9)


def test_the_sentence_says_whether_the_difference_is_more_than_chance():
    right, wrong = np.array([True] * 20), np.array([False] * 20)
    assert "is statistically significant" in mcnemar(right, wrong).sentence("A", "B")
    assert "is not statistically significant" in mcnemar(np.array([True, False]), np.array([False, True])).sentence()
    assert "exactly the same" in mcnemar(right, right).sentence()


def test_flips_are_named_in_both_directions():
    result = compare(predictions([0, 1, 2, 3], [0, 1, 1, 1]), predictions([0, 2, 1, 4], [0, 1, 1, 1]))
    assert result.ids[result.gained].tolist() == ["f2"]
    assert result.ids[result.lost].tolist() == ["f1"]
    assert result.ids[result.changed].tolist() == ["f1", "f2", "f3"]
    assert result.accuracies == (0.5, 0.5)
    assert result.matrix_difference.sum() == 0
    assert result.matrix_difference[1, 1] == 0
    assert result.matrix_difference[1, 4] == 1


def test_faces_are_matched_by_id_and_judged_by_the_second_labels():
    first = predictions([0, 1, 2], [0, 0, 0], ["a", "b", "c"])
    second = predictions([2, 1], [2, 1], ["c", "b"])
    result = compare(first, second)
    assert result.ids.tolist() == ["c", "b"]
    assert result.n == 2
    assert result.relabeled == 2
    assert result.accuracies == (1.0, 1.0)


def test_predictions_without_a_common_face_are_refused():
    with pytest.raises(DataError, match="no face in common"):
        compare(predictions([0], [0], ["a"]), predictions([0], [0], ["b"]))
