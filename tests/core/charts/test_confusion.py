from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core import charts
from fer_core.classes import ClassList

SEVEN = ClassList.fer2013()
CONFUSION = np.diag([50, 5, 40, 90, 60, 40, 60]).astype(np.int64)
CONFUSION[2, 4] = 20
CONFUSION[0, 6] = 2


def plain(figure):
    return json.loads(figure.to_json())


def test_every_cell_of_the_matrix_can_be_clicked_and_names_its_classes_whatever_the_order():
    order = [2, 0, 1, 3, 4, 5, 6]
    figure = plain(charts.confusion_matrix(CONFUSION, SEVEN, "counts", order=order))
    heat, markers = charts.confusion_matrix(CONFUSION, SEVEN, "counts", order=order).data
    assert len(markers.x) == 49
    names = [SEVEN[i] for i in order]
    for column, row, (true, predicted) in zip(markers.x, markers.y, markers.customdata, strict=True):
        assert (row, column) == (SEVEN[true], SEVEN[predicted])
        x, y = names.index(column), names.index(row)
        count = CONFUSION[true, predicted]
        assert heat.text[y][x] == (str(count) if count else "·")
    assert figure["layout"]["yaxis"]["categoryarray"][0] == "fear"
    assert figure["layout"]["title"]["text"] == "Most confused: 33% of fear faces are misclassified as sad"


def test_a_small_cell_is_colored_well_apart_from_an_empty_one():
    heat = charts.confusion_matrix(CONFUSION, SEVEN, "rows").data[0]
    assert heat.z[0][6] / heat.zmax > 0.15  # 4% of its row
    assert heat.z[0][1] == 0


def test_hiding_the_diagonal_leaves_the_colors_to_the_errors():
    heat = charts.confusion_matrix(CONFUSION, SEVEN, "rows", hide_diagonal=True).data[0]
    assert heat.zmax == pytest.approx((20 / 60) ** 0.5)
    assert heat.text[0][0] == ""


@pytest.mark.parametrize("dark", [False, True])
def test_every_number_stands_on_its_cell_in_the_ink_that_is_easier_to_read(dark):
    matrix = charts.confusion_matrix(CONFUSION, SEVEN, "rows", dark=dark)
    difference = charts.matrix_difference(CONFUSION - CONFUSION.T, SEVEN, "", dark=dark)
    for figure in (matrix, difference):
        heat, notes = figure.data[0], figure.layout.annotations
        assert [note.text for note in notes] == [words for row in heat.text for words in row]
        assert {(note.x, note.y) for note in notes} == {(x, y) for x in range(7) for y in range(7)}
        for note in notes:
            depth = (heat.z[note.y][note.x] - heat.zmin) / (heat.zmax - heat.zmin)
            assert contrast(note.font.color, color_at(heat.colorscale, depth)) > 4.2


def color_at(scale, depth: float) -> list[float]:
    """The color of a cell, as plotly mixes it: red, green and blue in 0…1."""
    above = next(i for i, (stop, _) in enumerate(scale) if stop >= depth)
    (low, first), (high, second) = scale[max(0, above - 1)], scale[above]
    part = (depth - low) / (high - low) if high > low else 1.0
    return [a + part * (b - a) for a, b in zip(channels(first), channels(second), strict=True)]


def channels(color: str) -> list[float]:
    return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(ink: str, ground: list[float]) -> float:
    """Contrast by WCAG 2.1, 1…21."""

    def luminance(color: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    one, other = sorted((luminance(channels(ink)), luminance(ground)))
    return (other + 0.05) / (one + 0.05)


def test_a_matrix_without_errors_or_without_faces_is_still_a_figure():
    assert "No errors" in charts.confusion_matrix(np.diag([1] * 7), SEVEN).layout.title.text
    assert len(charts.confusion_matrix(np.zeros((7, 7), dtype=np.int64), SEVEN).data) == 2


def test_the_difference_of_two_matrices_shows_signs():
    difference = np.zeros((7, 7), dtype=np.int64)
    difference[2, 4], difference[2, 2] = -4, 4
    heat = charts.matrix_difference(difference, SEVEN, "found").data[0]
    assert heat.text[2][4] == "-4"
    assert heat.z[2][4] == -1
    assert heat.text[2][2] == "+4"
