from __future__ import annotations

import numpy as np

from fer_core.charts import probability_bars, timeline
from fer_core.classes import ClassList

SEVEN = ClassList.fer2013()


def test_probabilities_carry_the_colors_of_the_emotions():
    bars = probability_bars(SEVEN, np.full(7, 1 / 7), "found", digits=1).data[0]
    assert list(bars.marker.color) == [SEVEN.color(name) for name in SEVEN]
    assert bars.text[0] == "14.3%"


def test_bars_have_the_emotions_colors_and_the_second_set_is_hollow():
    figure = probability_bars(ClassList(("sad", "happy")), np.array([0.25, 0.75]), "t", other=np.array([1.0, 0.0]))
    before, now = figure.data
    assert list(now.x) == [0.25, 0.75]
    assert list(now.marker.color) == [SEVEN.color("sad"), SEVEN.color("happy")]
    assert list(before.x) == [1.0, 0.0]
    assert set(before.marker.color) == {"rgba(0,0,0,0)"}


def test_a_timeline_stacks_one_area_for_each_emotion():
    areas = timeline(ClassList(("sad", "happy")), np.array([0.0, 1.0]), np.array([[0.2, 0.8], [0.6, 0.4]]), "t").data
    assert [list(area.y) for area in areas] == [[0.2, 0.6], [0.8, 0.4]]
    assert {area.stackgroup for area in areas} == {"one"}
    assert [area.line.color for area in areas] == [SEVEN.color("sad"), SEVEN.color("happy")]
