from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_core.annotate import Mark, draw_marks
from fer_core.annotate.draw import rgb
from fer_core.classes import ClassList

SEVEN = ClassList.fer2013()


def noise(height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def mark(box=(100, 60, 80, 80), number=1, label="happy", abstained=False, **probabilities: float) -> Mark:
    others = (1 - probabilities.get(label, 0.7)) / 6
    shares = [probabilities.get(name, 0.7 if name == label else others) for name in SEVEN]
    return Mark(box, number, SEVEN, SEVEN.position(label), shares, abstained)


def test_the_box_has_the_color_of_the_label_and_the_picture_stays_as_it_was():
    blank = np.zeros((240, 320, 3), np.uint8)
    image = draw_marks(blank, [mark()], bars=False)
    assert tuple(image[100, 100]) == rgb(SEVEN.color("happy"))
    assert image[100, 140].tolist() == [0, 0, 0]
    assert not blank.any()


@pytest.mark.parametrize("mirror", [False, True])
def test_a_picture_that_cannot_be_written_to_is_copied(mirror):
    image = noise()
    image.flags.writeable = False
    assert draw_marks(image, [mark()], mirror=mirror).flags.writeable


def test_a_mirror_shows_picture_and_box_on_the_other_side():
    assert mark().mirrored(320).box == (320 - 100 - 80, 60, 80, 80)
    np.testing.assert_array_equal(draw_marks(noise(), [], mirror=True), noise()[:, ::-1])
    image = draw_marks(np.zeros((240, 320, 3), np.uint8), [mark()], mirror=True, bars=False)
    assert tuple(image[100, 140]) == rgb(SEVEN.color("happy"))


def test_a_gray_picture_is_drawn_on_in_color():
    image = draw_marks(np.zeros((240, 320), np.uint8), [mark()], bars=False)
    assert tuple(image[100, 100]) == rgb(SEVEN.color("happy"))


@pytest.mark.parametrize(
    "box", [(-40, -40, 80, 80), (300, 220, 80, 80), (0, 0, 320, 320), (150, 100, 3, 3), (5000, 5000, 80, 80)]
)
@pytest.mark.parametrize("mirror", [False, True])
def test_faces_at_and_beyond_the_edges_can_be_drawn(box, mirror):
    assert draw_marks(noise(), [mark(box)], mirror=mirror).shape == (240, 320, 3)


def captions(monkeypatch, *marks: Mark) -> list[str]:
    said: list[str] = []
    plain = cv2.putText
    monkeypatch.setattr(cv2, "putText", lambda *a: said.append(a[1]) or plain(*a))
    draw_marks(noise(), marks)
    return said


def test_a_caption_has_number_label_and_its_probability(monkeypatch):
    assert captions(monkeypatch, mark(number=3, label="sad", sad=0.815))[0] == "3 sad 82%"


def test_an_unsure_prediction_names_no_expression_in_the_caption(monkeypatch):
    assert captions(monkeypatch, mark(abstained=True))[0] == "1 not sure"


def test_every_bar_carries_the_name_of_its_class(monkeypatch):
    assert captions(monkeypatch, mark())[1:] == list(SEVEN)


def test_a_face_without_room_beside_it_carries_its_three_most_probable_classes(monkeypatch):
    shares = {"happy": 0.6, "sad": 0.2, "fear": 0.1, "angry": 0.04, "disgust": 0.03, "surprise": 0.02, "neutral": 0.01}
    assert captions(monkeypatch, mark((0, 0, 320, 240), **shares))[1:] == ["happy", "sad", "fear"]


def test_bars_are_as_long_as_the_probabilities_and_leave_the_other_face_free():
    ground = np.zeros((240, 320, 3), np.uint8)
    left, right = mark((120, 60, 60, 60)), mark((185, 60, 60, 60), number=2)
    alone = draw_marks(ground, [left])
    ink = (alone[62:, 182:] == rgb(SEVEN.color("happy"))).all(axis=2)
    assert ink.sum(axis=1).max() == round(24 * 0.7)  # right of the box
    crowded = draw_marks(ground, [left, right])
    assert not (crowded[62:118, 187:243] == rgb(SEVEN.color("happy"))).all(axis=2).any()
    assert (crowded[62:, :118] == rgb(SEVEN.color("happy"))).all(axis=2).any()  # left of it instead
