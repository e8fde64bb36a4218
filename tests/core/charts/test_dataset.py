from __future__ import annotations

import pytest

from fer_core import charts
from fer_core.classes import ClassList

SEVEN = ClassList.fer2013()


def table(**counts):
    return {split: {name: n[i] for i, name in enumerate(SEVEN)} for split, n in counts.items()}


def test_class_counts_use_the_color_of_each_emotion_and_add_up():
    per_class = table(train=[5, 1, 2, 9, 4, 3, 6], valid=[1, 1, 1, 2, 1, 1, 1], test=[0] * 7)
    figure = charts.class_counts(per_class, SEVEN)
    bars = [trace for trace in figure.data if trace.type == "bar" and trace.y[0] is not None]
    assert [bar.name for bar in bars] == ["train"] * 7 + ["valid"] * 7, "an empty split is left out"
    assert [bar.y[0] for bar in bars] == [5, 1, 2, 9, 4, 3, 6, 1, 1, 1, 2, 1, 1, 1]
    assert all(bar.marker.color == SEVEN.color(bar.x[0]) for bar in bars)
    totals = next(trace for trace in figure.data if trace.type == "scatter")
    assert list(totals.text) == ["6", "2", "3", "11", "5", "4", "7"]
    assert "Largest class: happy (28.9%); smallest: disgust (5.3%)" in figure.layout.title.text


def test_shares_of_a_split_sum_to_one():
    figure = charts.class_counts(table(train=[5, 1, 2, 9, 4, 3, 6], valid=[1] * 7), SEVEN, shares=True)
    for split in ("train", "valid"):
        bars = [bar for bar in figure.data if bar.name == split and bar.y[0] is not None]
        assert sum(bar.y[0] for bar in bars) == pytest.approx(1)


def test_balanced_classes_are_called_so():
    assert "All classes have 7 faces" in charts.balance_finding(table(train=[7] * 7))
    assert "Balanced classes: 100–105" in charts.balance_finding(table(train=[100, 105, 100, 100, 100, 100, 100]))
