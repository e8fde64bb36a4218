from __future__ import annotations

import numpy as np
import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from fer_core.report.rendering import _environment, accuracy_with_n, render

EVIL = '<script>alert("x")</script>'
MACROS = {
    "table": (([EVIL], [[EVIL]]), 2),
    "picture": ((np.zeros((2, 2), np.uint8), EVIL), 1),
    "figure": ((EVIL, EVIL), 2),
    "box": ((EVIL, [EVIL]), 2),
}


@pytest.mark.parametrize("name", MACROS)
def test_foreign_text_stays_text_in_every_building_block(name):
    arguments, times = MACROS[name]
    html = getattr(_environment().get_template("macros.html").module, name)(*arguments)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == times


def test_html_that_is_marked_as_such_is_put_in_as_it_is():
    module = _environment().get_template("macros.html").module
    assert "<td><b>1</b></td>" in module.table([], [[Markup("<b>1</b>")]])


def test_a_value_that_a_template_misses_is_a_defect_and_not_a_blank():
    with pytest.raises(UndefinedError):
        render("sections/environment.html", rows=[])


def test_an_accuracy_stands_with_its_interval_and_n():
    assert accuracy_with_n(0.587, (0.571, 0.603), 3589) == "58.7% (95% interval 57.1–60.3, n = 3,589)"
