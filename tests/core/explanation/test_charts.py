from __future__ import annotations

import numpy as np
import pytest

from fer_core.classes import COLOURS
from fer_core.explanation.charts import belief_curves, probability_bars, region_bars, selectable, timeline
from fer_core.explanation.sanity import Belief, Curve


def test_bars_have_the_emotions_colours_and_the_second_set_is_hollow():
    figure = probability_bars(["sad", "happy"], np.array([0.25, 0.75]), "t", other=np.array([1.0, 0.0]))
    before, now = figure.data
    assert list(now.x) == [0.25, 0.75]
    assert list(now.marker.color) == [COLOURS["sad"], COLOURS["happy"]]
    assert list(before.x) == [1.0, 0.0]
    assert set(before.marker.color) == {"rgba(0,0,0,0)"}


def test_deletion_is_left_and_insertion_right_each_with_its_chance():
    share = np.linspace(0, 1, 3)
    curves = [Curve(share, np.full(3, value), value) for value in (0.1, 0.2, 0.3, 0.4)]
    deletion, insertion, random_deletion, random_insertion = curves
    belief = Belief(deletion, insertion, random_deletion, random_insertion, (0, 1), (0, 1), {}, None)
    figure = belief_curves(belief, "sad")
    assert "does not beat every random order at deletion" in figure.layout.title.text
    traces = {(trace.name, trace.xaxis): trace.y[0] for trace in figure.data}
    assert traces == {
        ("this map", "x"): 0.1,
        ("random order", "x"): 0.3,
        ("this map", "x2"): 0.2,
        ("random order", "x2"): 0.4,
    }


def test_intervals_reach_from_their_lower_to_their_upper_end():
    share = {"eyes": 0.4, "nose": 0.2, "mouth": 0.3, "rest": 0.1}
    intervals = {name: (value - 0.05, value + 0.02) for name, value in share.items()}
    attribution, area = region_bars(share, {**share, "eyes": 0.9}, "t", intervals).data
    assert attribution.error_y.array[0] == pytest.approx(0.02)
    assert attribution.error_y.arrayminus[0] == pytest.approx(0.05)
    assert area.y[0] == 0.9
    assert area.error_y.array is None


def test_a_picture_to_select_in_counts_its_own_pixels_from_the_upper_left():
    figure = selectable(b"x", 400, 300)
    image = figure.layout.images[0]
    assert (image.x, image.y, image.sizex, image.sizey) == (0, 0, 400, 300)
    assert tuple(figure.layout.xaxis.range) == (0, 400)
    assert tuple(figure.layout.yaxis.range) == (300, 0)
    points = figure.data[0]
    assert 0 < min(points.x) < 11
    assert 389 < max(points.x) < 400


def test_a_timeline_stacks_one_area_for_each_emotion():
    areas = timeline(["sad", "happy"], np.array([0.0, 1.0]), np.array([[0.2, 0.8], [0.6, 0.4]]), "t").data
    assert [list(area.y) for area in areas] == [[0.2, 0.6], [0.8, 0.4]]
    assert {area.stackgroup for area in areas} == {"one"}
    assert [area.line.color for area in areas] == [COLOURS["sad"], COLOURS["happy"]]
