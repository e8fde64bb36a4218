from __future__ import annotations

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.errors import DataError
from fer_core.evaluation.human import classify_errors, summarize_votes

SEVEN = ClassList.fer2013()


def votes(**counts: int) -> list[int]:
    return [counts.get(column, 0) for column in FERPLUS_COLUMNS]


def test_people_are_summed_up_by_hand():
    rows = np.array([votes(anger=10), votes(anger=4, fear=6), votes(NF=10), votes()])
    view = summarize_votes(rows, FERPLUS_COLUMNS, SEVEN, np.array([0, 0, 3, 3]))
    assert view.rated == 3
    assert view.not_faces == 1
    assert view.agreement == pytest.approx(1 / 3)
    assert view.top_share == pytest.approx((1 + 0.6 + 1) / 3)
    np.testing.assert_allclose(view.confusion[0, [0, 2]], [0.7, 0.3])
    assert view.confusion[3].sum() == 0


def test_errors_are_sorted_by_what_most_people_say():
    rows = np.array([votes(anger=8, fear=2), votes(fear=8, anger=2), votes(fear=5, anger=5), votes(), votes(anger=10)])
    labels, predicted = np.array([0, 0, 0, 0, 0]), np.array([2, 2, 2, 2, 0])
    assert classify_errors(rows, FERPLUS_COLUMNS, SEVEN, labels, predicted).tolist() == [
        "model wrong",
        "label doubtful",
        "people disagree too",
        "",
        "",
    ]


def test_faces_without_votes_are_refused_with_what_to_do():
    with pytest.raises(DataError, match="fer2013new"):
        summarize_votes(np.array([votes()]), FERPLUS_COLUMNS, SEVEN, np.array([0]))


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_votes_for_any_classes(count):
    classes = ClassList(tuple(f"c{i}" for i in range(count)))
    columns = ("other", *reversed(classes.names))
    rows = np.zeros((count, count + 1), np.int64)
    rows[:, 0] = 1
    for i in range(count):
        rows[i, columns.index(classes[i])] = 3
    view = summarize_votes(rows, columns, classes, np.arange(count))
    np.testing.assert_allclose(view.confusion, 0.75 * np.eye(count))
    assert view.agreement == 1
    wrong = np.roll(np.arange(count), 1)
    assert set(classify_errors(rows, columns, classes, np.arange(count), wrong)) == {"model wrong"}
    assert set(classify_errors(rows, columns, classes, wrong, np.arange(count))) == {"label doubtful"}


def test_contempt_is_a_class_where_the_data_have_it():
    rows = np.array([votes(contempt=9, anger=1)])
    assert summarize_votes(rows, FERPLUS_COLUMNS, ClassList.ferplus(), np.array([7])).agreement == 1
    assert summarize_votes(rows, FERPLUS_COLUMNS, SEVEN, np.array([0])).agreement == 0
