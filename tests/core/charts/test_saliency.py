from __future__ import annotations

import numpy as np
import pytest

from fer_core.charts import deletion_insertion, region_bars
from fer_core.explanation.sanity import Curve, SanityReport


def test_deletion_is_left_and_insertion_right_each_with_its_chance():
    share = np.linspace(0, 1, 3)
    curves = [Curve(share, np.full(3, value), value) for value in (0.1, 0.2, 0.3, 0.4)]
    deletion, insertion, random_deletion, random_insertion = curves
    sanity = SanityReport(deletion, insertion, random_deletion, random_insertion, (0, 1), (0, 1), {}, None)
    figure = deletion_insertion(*sanity.curves(), "sad")
    assert "Deletion: does not beat random orders" in figure.layout.title.text
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
