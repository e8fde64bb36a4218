from __future__ import annotations

import pytest

from fer_core.charts import agreement_bars
from fer_core.evaluation.agreement import RaterAgreement

FIGURES = {"model": 0.69, "human": 0.603, "label": 0.559, "ceiling": 0.739}
INTERVALS = {name: (share - 0.03, share + 0.01) for name, share in FIGURES.items()}
AGREEMENT = RaterAgreement(3500, **FIGURES, ci95=INTERVALS)


def test_the_model_stands_on_top_of_another_person_the_label_and_the_best_possible():
    figure = agreement_bars(AGREEMENT, "It agrees")
    (bars,) = figure.data
    assert list(bars.y) == [
        "the model",
        "another person",
        "the label",
        "best possible",
    ]
    assert list(bars.x) == list(FIGURES.values())
    assert list(bars.text) == ["69%", "60%", "56%", "74%"]
    assert figure.layout.yaxis.autorange == "reversed"  # the first on top
    assert figure.layout.title.text == "It agrees"


def test_intervals_reach_from_their_lower_to_their_upper_end():
    (bars,) = agreement_bars(AGREEMENT, "").data
    assert list(bars.error_x.array) == pytest.approx([0.01] * 4)
    assert list(bars.error_x.arrayminus) == pytest.approx([0.03] * 4)
