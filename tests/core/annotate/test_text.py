from __future__ import annotations

import numpy as np
import pytest

from fer_core.annotate import Mark, draw_marks
from fer_core.annotate.draw import MAX_BARS, rgb
from fer_core.annotate.text import drawn_name
from fer_core.classes import ClassList

HOSTILE = ClassList(("<b>x</b>", "$x$", "😀", "حزين", "a" * 80, "happy"))


def test_a_name_is_drawn_short_and_one_that_no_font_has_by_its_number():
    assert [drawn_name(HOSTILE, i) for i in (0, 2, 3, 5)] == ["<b>x</b>", "class 3", "حزين", "happy"]
    assert drawn_name(HOSTILE, 4) == "a" * 23 + "…"


@pytest.mark.parametrize("label", range(len(HOSTILE)))
def test_any_name_is_drawn_in_its_color(label):
    image = draw_marks(
        np.zeros((120, 160, 3), np.uint8),
        [Mark((40, 40, 60, 60), 1, HOSTILE, label, [1 / 6] * 6, False)],
        bars=False,
    )
    assert (image == rgb(HOSTILE.colors[label])).all(axis=2).sum() > 60


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_at_most_eight_classes_have_a_named_bar(count, monkeypatch):
    classes = ClassList(tuple(f"class {i}" for i in range(count)))
    mark = Mark((40, 20, 160, 160), 1, classes, 0, np.linspace(1, 0.5, count).tolist(), False)
    names: list[str] = []
    monkeypatch.setattr("fer_core.annotate.draw.draw_text", lambda image, name, *_, **__: names.append(name))
    draw_marks(np.full((240, 400, 3), 200, np.uint8), [mark])
    assert names[1:] == list(classes)[:MAX_BARS]
