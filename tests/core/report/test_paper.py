from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np

from fer_core.report import paper


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_a_curve_ends_where_its_last_value_is():
    lines = [paper.Line("train", "#000000", "", [0.2, 0.6]), paper.Line("valid", "#111111", "2 2", [0.2, 0.4])]
    svg = paper.line_chart(lines, title="Up & on", percent=True)
    root = ElementTree.fromstring(svg)
    curves = [e.attrib["points"].split() for e in root.iter() if e.tag.endswith("polyline")]
    (_, high), (_, low) = (tuple(map(float, points[-1].split(","))) for points in curves)
    start = float(curves[0][0].split(",")[1])
    assert curves[0][0] == curves[1][0]
    np.testing.assert_allclose(start - low, (start - high) / 2, atol=0.2)  # half as far up
    assert {"train", "valid", "20 %", "60 %", "Epoch"} <= set(texts(svg))


def test_a_chart_of_one_epoch_or_of_equal_values_can_be_drawn():
    for values in ([0.5], [0.5, 0.5, 0.5], [0.0]):
        assert "polyline" in paper.line_chart([paper.Line("a", "#000000", "", values)], title="t", percent=True)


def test_the_matrix_shows_the_shares_of_its_rows():
    svg = paper.matrix_chart(np.array([[3, 1], [0, 0]]), ["a", "<b>"], title="m")
    found = texts(svg)
    assert found.count("75 %") == 1
    assert found.count("25 %") == 1
    assert found.count("0 %") == 2  # a class without faces divides nothing by nothing
    assert "<b>" in found


def test_labels_that_would_lie_over_each_other_move_apart():
    places = paper._apart([(100.0, 0), (101.0, 1), (150.0, 2)], 13)
    assert places[1] - places[0] >= 13
    assert places[2] == 150


def test_ticks_are_round_and_span_the_range():
    for low, high in ((0, 1), (0.31, 0.66), (0, 1.93), (-3, 12)):
        ticks = paper._ticks(low, high)
        assert ticks[0] <= low + 1e-9
        assert ticks[-1] >= high - 1e-9
        assert 3 <= len(ticks) <= 8


def test_foreign_text_stays_text():
    evil = '<script>alert("x")</script>'
    made = [
        paper.paragraph(evil),
        paper.table([evil], [[evil]]),
        paper.box(evil, [evil]),
        paper.figure("", evil),
        paper.picture(np.zeros((2, 2), np.uint8), evil),
        paper.page(evil, ""),
    ]
    for html in made:
        assert "<script" not in html
        assert "&lt;script&gt;" in html
