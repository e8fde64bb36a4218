from __future__ import annotations

import numpy as np

from fer_core.annotate import draw_photo
from fer_core.annotate.draw import rgb
from fer_core.classes import ClassList
from fer_core.faces import Square
from fer_core.photos import FacePrediction, PhotoResult

SEVEN = ClassList.fer2013()


def test_a_photographs_faces_are_drawn_at_their_place_in_the_reduced_copy():
    p = np.array([0.1, 0.9], np.float32)
    face = FacePrediction(Square(400, 200, 200), np.zeros((48, 48), np.uint8), ClassList(("sad", "happy")), p, False)
    photo = np.zeros((600, 1000, 3), np.uint8)
    picture = draw_photo(photo, PhotoResult("a.jpg", 1000, 600, (face,)), longest_side=500)
    assert picture.shape == (300, 500, 3)
    assert not photo.any()
    ink = (picture == rgb(SEVEN.color("happy"))).all(axis=2)
    assert ink[150, 200]  # left edge of the box
    assert ink[150, 300]  # right edge
    assert not ink[150, 210:290].any()
    reduced = np.zeros((300, 500, 3), np.uint8)
    assert (draw_photo(reduced, PhotoResult("a.jpg", 1000, 600, (face,))) == picture).all()
