from __future__ import annotations

import numpy as np
import pytest

from fer_core.charts import kernel_positions, numeric_error
from fer_core.charts.derivations import _MARKED
from fer_core.errors import ModelError


def covered(figure) -> set[tuple[int, int]]:
    return {(int(shape.x0), int(shape.y0)) for shape in figure.layout.shapes if shape.fillcolor == _MARKED}


def test_the_kernel_stands_where_its_place_says():
    figure = kernel_positions(side=5, kernel=3, stride=2, padding=1, place=5)  # 3×3 places; row 1, column 2
    inputs = {(x, y) for x, y in covered(figure) if x < 7}
    assert inputs == {(x, y) for x in (4, 5, 6) for y in (2, 3, 4)}
    (output,) = covered(figure) - inputs
    assert output == (7 + 2 + 2, 1)
    assert len(figure.layout.shapes) == 7 * 7 + 3 * 3


def test_sizes_that_cannot_be_have_no_picture():
    with pytest.raises(ModelError, match="does not fit"):
        kernel_positions(side=2, kernel=5, stride=1, padding=0, place=0)


def test_the_best_step_is_named_and_an_error_of_zero_has_a_place():
    figure = numeric_error(np.array([1e-1, 1e-5, 1e-9]), np.array([1e-2, 0.0, 1e-6]))
    assert "1e-05" in figure.layout.title.text
    assert min(figure.data[0].y) > 0


def test_where_rounding_is_all_there_is_the_title_says_so():
    figure = numeric_error(np.array([1e-1, 1e-5, 1e-9]), np.array([1e-14, 1e-10, 1e-6]))
    assert figure.layout.title.text.startswith("Rounding error only")
