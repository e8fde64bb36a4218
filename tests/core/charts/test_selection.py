from __future__ import annotations

from fer_core.charts import selectable


def test_a_picture_to_select_in_counts_its_own_pixels_from_the_upper_left():
    figure = selectable(b"x", 400, 300)
    image = figure.layout.images[0]
    assert (image.x, image.y, image.sizex, image.sizey) == (0, 0, 400, 300)
    assert tuple(figure.layout.xaxis.range) == (0, 400)
    assert tuple(figure.layout.yaxis.range) == (300, 0)
    points = figure.data[0]
    assert 0 < min(points.x) < 11
    assert 389 < max(points.x) < 400
