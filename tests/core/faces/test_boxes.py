import pytest

from fer_core.faces.boxes import intersection, intersection_over_union


def test_overlap_by_hand():
    a = (0, 0, 10, 10)
    assert intersection_over_union(a, a) == 1
    assert intersection(a, (5, 0, 10, 10)) == 50
    assert intersection_over_union(a, (5, 0, 10, 10)) == pytest.approx(50 / 150)
    assert intersection_over_union(a, (20, 0, 10, 10)) == 0
    assert intersection(a, (10, 0, 10, 10)) == 0, "edges that touch share no area"
    assert intersection_over_union(a, (0, 0, 0, 0)) == 0
