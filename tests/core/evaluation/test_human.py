from __future__ import annotations

import numpy as np
import pytest

from fer_core.classes import FERPLUS_COLUMNS, LABELS
from fer_core.errors import DataError
from fer_core.evaluation.human import emotion_votes, human_view, sort_errors


def votes(**counts: int) -> list[int]:
    return [counts.get(column, 0) for column in FERPLUS_COLUMNS]


def test_votes_are_reordered_by_name():
    row = emotion_votes(
        np.array([votes(neutral=1, happiness=2, surprise=3, sadness=4, anger=5, disgust=6, fear=7, NF=9)])
    )[0]
    assert dict(zip(LABELS, row.tolist(), strict=True)) == {
        "angry": 5, "disgust": 6, "fear": 7, "happy": 2, "sad": 4, "surprise": 3, "neutral": 1,
    }  # fmt: skip


def test_people_are_summed_up_by_hand():
    rows = np.array([votes(anger=10), votes(anger=4, fear=6), votes(NF=10), votes()])
    view = human_view(rows, np.array([0, 0, 3, 3]))
    assert view.rated == 3
    assert view.not_faces == 1
    assert view.agreement == pytest.approx(1 / 3)
    assert view.top_share == pytest.approx((1 + 0.6 + 1) / 3)
    np.testing.assert_allclose(view.confusion[0, [0, 2]], [0.7, 0.3])
    assert view.confusion[3].sum() == 0


def test_errors_are_sorted_by_what_most_people_say():
    rows = np.array([votes(anger=8, fear=2), votes(fear=8, anger=2), votes(fear=5, anger=5), votes(), votes(anger=10)])
    labels, predicted = np.array([0, 0, 0, 0, 0]), np.array([2, 2, 2, 2, 0])
    assert sort_errors(rows, labels, predicted).tolist() == [
        "model wrong",
        "label doubtful",
        "people disagree too",
        "",
        "",
    ]


def test_faces_without_votes_are_refused_with_what_to_do():
    with pytest.raises(DataError, match="fer2013new"):
        human_view(np.array([votes()]), np.array([0]))
