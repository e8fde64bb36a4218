from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from fer_core.charts import Curve
from fer_core.report import svg as charts

EVIL = '<script>alert("x")</script>'


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_a_curve_ends_where_its_last_value_is():
    lines = [Curve("train", "train", [1, 2], [0.2, 0.6]), Curve("valid", "valid", [1, 2], [0.2, 0.4])]
    svg = charts.line_chart(lines, "accuracy", title="Up & on")
    root = ElementTree.fromstring(svg)
    curves = [e.attrib["points"].split() for e in root.iter() if e.tag.endswith("polyline")]
    (_, high), (_, low) = (tuple(map(float, points[-1].split(","))) for points in curves)
    start = float(curves[0][0].split(",")[1])
    assert curves[0][0] == curves[1][0]
    np.testing.assert_allclose(start - low, (start - high) / 2, atol=0.2)  # half as far up
    assert {"train", "valid", "20%", "60%", "Epoch"} <= set(texts(svg))


def test_a_chart_of_one_epoch_or_of_equal_values_can_be_drawn():
    for values in ([0.5], [0.5, 0.5, 0.5], [0.0]):
        curve = Curve("a", "valid", range(1, len(values) + 1), values)
        assert "polyline" in charts.line_chart([curve], "accuracy", title="t")


def test_the_matrix_shows_the_shares_of_its_rows():
    svg = charts.matrix_chart(np.array([[3, 1], [0, 0]]), ["a", "<b>"], title="m")
    found = texts(svg)
    assert found.count("75%") == 1
    assert found.count("25%") == 1
    assert found.count("0%") == 2  # a class without faces divides nothing by nothing
    assert "<b>" in found


def test_labels_that_would_lie_over_each_other_move_apart():
    places = charts._spread([(100.0, 0), (101.0, 1), (150.0, 2)], 13)
    assert places[1] - places[0] >= 13
    assert places[2] == 150


def test_ticks_are_round_and_span_the_range():
    for low, high in ((0, 1), (0.31, 0.66), (0, 1.93), (-3, 12)):
        ticks = charts._ticks(low, high)
        assert ticks[0] <= low + 1e-9
        assert ticks[-1] >= high - 1e-9
        assert 3 <= len(ticks) <= 8


def test_names_and_titles_stay_text():
    curve = Curve(EVIL, "valid", [1], [0.5])
    for svg in (
        charts.line_chart([curve], "loss", title=EVIL),
        charts.matrix_chart(np.array([[1]]), [EVIL], title=EVIL),
        charts.share_chart({EVIL: 0.5}, {EVIL: 0.5}, title=EVIL),
    ):
        assert "<script" not in svg
        assert svg.count("&lt;script&gt;") >= 3


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_a_matrix_of_any_size_fits_on_a_page_and_tells_every_number(count):
    names = [f"a class with a long name {i}" for i in range(count)]
    svg = charts.matrix_chart(np.arange(count * count).reshape(count, count), names, title="m")
    assert svg.count("<rect") == count * count
    assert float(re.search(r'width="([\d.]+)"', svg)[1]) < 760
    assert f"{names[0]}, predicted as {names[-1]}: {count - 1} (" in svg
    assert (f">{count * count - 1:,}</text>" in svg) == (count <= 12), "numbers do not lie over each other"
