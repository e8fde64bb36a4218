"""Every chart of classes with 2, 3, 8 and 40 of them, and with names that Plotly would interpret."""

from __future__ import annotations

import numpy as np
import pytest

from fer_core import charts
from fer_core.charts.theme import escaped, tick_names
from fer_core.classes import ClassList
from fer_core.evaluation.metrics import class_scores

HOSTILE = ("<b>x</b>", "$x$", "%{y}", "2020-01-01", "7", "😀", "حزين", "a" * 80, "a" * 79 + "b")
SIZES = [2, 3, 8, 40]


def named(count: int) -> ClassList:
    return ClassList(tuple(f"class {i}" for i in range(count)))


def confusion(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 50, (count, count))


def figures(classes: ClassList) -> dict[str, object]:
    n = len(classes)
    counts = {"train": dict.fromkeys(classes, 3), "valid": dict.fromkeys(classes, 1), "test": dict.fromkeys(classes, 0)}
    shares = np.random.default_rng(0).dirichlet(np.ones(n), 5)
    return {
        "matrix": charts.confusion_matrix(confusion(n), classes),
        "difference": charts.matrix_difference(confusion(n) - 25, classes, ""),
        "counts": charts.class_counts(counts, classes),
        "scores": charts.class_scores(dict(zip(classes, class_scores(confusion(n)), strict=True)), classes),
        "bars": charts.probability_bars(classes, shares[0], ""),
        "timeline": charts.timeline(classes, np.arange(5.0), shares, ""),
        "values": charts.value_bars(shares[0], "", classes),
    }


@pytest.mark.parametrize("count", SIZES)
def test_every_class_has_its_place_on_the_axes(count):
    made = figures(named(count))
    assert len(made["matrix"].data[1].x) == count * count
    for name in ("matrix", "difference", "counts", "scores", "values"):
        axis = made[name].layout.xaxis
        assert (axis.type, list(axis.categoryarray)) == ("category", [f"class {i}" for i in range(count)])
    assert len(made["matrix"].layout.annotations) == (count**2 if count <= 12 else 0), "no numbers over each other"


def test_of_many_classes_the_most_probable_are_drawn_and_the_chart_says_so():
    made = figures(named(40))
    assert len(made["bars"].data[0].y) == 12
    assert made["bars"].layout.yaxis.title.text == "The 12 most probable of 40"
    assert [area.name for area in made["timeline"].data][-1] == "32 others"
    assert sum(np.array(area.y) for area in made["timeline"].data) == pytest.approx(np.ones(5), abs=1e-6)
    assert made["matrix"].layout.xaxis.tickfont.size < figures(named(8))["matrix"].layout.xaxis.tickfont.size
    assert charts.matrix_height(40) > charts.matrix_height(8)


@pytest.mark.parametrize("what", ["matrix", "difference", "counts", "scores", "bars", "timeline", "values"])
def test_no_name_is_interpreted_and_hovering_tells_it_whole(what):
    classes = ClassList(HOSTILE)
    figure = figures(classes)[what]
    written = figure.to_json()
    for markup in ("<b>", "$x$", "%{y}, %{y}"):
        assert markup not in written
    assert figure.layout.xaxis.type == "category" or what in ("bars", "timeline")
    if what != "timeline":
        assert HOSTILE[-1] in written


def test_ticks_are_short_distinct_and_escaped():
    ticks = tick_names(HOSTILE)
    assert len(set(ticks)) == len(HOSTILE)
    assert ticks[0] == "&#60;b&#62;x&#60;/b&#62;"
    assert all(len(tick) <= 14 for tick in ticks[-2:])
    assert ticks[-1].endswith("… (9)")
    assert escaped("a & b") == "a &#38; b"
