from __future__ import annotations

import dataclasses
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fer_core.errors import ImageError, ModelError
from fer_core.faces import Face, FaceDetector, crop_box, crop_face, largest
from fer_core.faces.detector import UPRIGHT_SCORE, YUNET, _suppress, _turn_back
from fer_core.images import read_photo
from fer_core.resources import asset
from tests.core.faces.conftest import drawn, scene


def face(x=0.0, y=0.0, w=10.0, h=10.0, score=0.9) -> Face:
    return Face((x, y, w, h), score, np.zeros((5, 2), np.float32))


def test_nearly_all_drawn_faces_are_found_where_they_are(detector):
    found = 0
    for seed in range(20):
        wall = np.full((480, 640), 120, np.uint8)
        wall[100:300, 200:400] = drawn(200, seed)
        faces = detector.detect(wall)
        found += len(faces) == 1
        for one in faces:
            x, y = one.centre
            assert 260 < x < 340
            assert 160 < y < 240
            assert 100 < one.box[2] < 220
    assert found >= 18


def test_landmarks_come_in_yunets_order(detector):
    (one,) = detector.detect(scene((200, 100, 200)))
    right_eye, left_eye, nose, right_corner, left_corner = one.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]  # the person's right is the picture's left
    assert right_corner[0] < nose[0] < left_corner[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_corner[1], left_corner[1])
    x, y, w, h = one.box
    assert ((one.landmarks > [x, y]) & (one.landmarks < [x + w, y + h])).all()


def test_a_record_cannot_be_changed(detector):
    (one,) = detector.detect(scene((200, 100, 200)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.score = 1.0
    with pytest.raises(ValueError, match="read-only"):
        one.landmarks[0, 0] = 1


def test_boxes_and_landmarks_are_in_the_pixels_of_the_image_given(detector):
    small = scene((200, 100, 200))
    large = cv2.resize(small, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    (a,), (b,) = detector.detect(small, fast=True), detector.detect(large, fast=True)
    assert np.allclose(np.array(a.box) * 3, b.box, atol=15)
    assert np.allclose(a.landmarks * 3, b.landmarks, atol=15)


def test_each_axis_is_mapped_back_by_its_own_factor(monkeypatch):
    # 1001×101 becomes 1057×107 whole pixels: 1.0559 times as wide and 1.0594 times as high
    own = FaceDetector()
    row = np.array([[0, 0, 1057, 107, *[1057, 107] * 5, 0.9]], np.float32)
    monkeypatch.setattr(own, "_net", SimpleNamespace(setInputSize=lambda size: None, detect=lambda image: (1, row)))
    (one,) = own.detect(np.zeros((101, 1001), np.uint8), fast=True)
    assert one.box == pytest.approx((0, 0, 1001, 101))
    assert one.landmarks == pytest.approx(np.array([[1001, 101]] * 5))


def test_grey_and_colour_of_the_same_picture_give_the_same_faces(detector):
    colour = scene((200, 100, 200))
    (a,), (b,) = detector.detect(colour), detector.detect(colour[..., 0])
    assert a.box == b.box
    assert np.array_equal(a.landmarks, b.landmarks)


def test_the_network_is_given_blue_first(monkeypatch):
    own = FaceDetector()
    seen = []
    net = SimpleNamespace(setInputSize=lambda size: None, detect=lambda image: (1, seen.append(image.copy())))
    monkeypatch.setattr(own, "_net", net)
    own.detect(np.full((320, 320, 3), (250, 100, 10), np.uint8), fast=True)
    assert seen[0][0, 0].tolist() == [10, 100, 250]


def test_faces_come_from_left_to_right(detector):
    faces = detector.detect(scene((430, 20, 160), (20, 200, 180), (230, 250, 140)))
    assert len(faces) == 3
    assert [one.centre[0] for one in faces] == sorted(one.centre[0] for one in faces)
    assert largest(faces) is faces[0]
    assert largest(()) is None


def test_a_face_that_fills_the_frame_is_found_at_the_second_smaller_scale(detector):
    # Four of five such close-ups are lost at 320 pixels.
    whole = [drawn(640, seed)[140:500, 140:500] for seed in range(10)]
    assert sum(bool(detector._search(image, detector._scale(*image.shape))) for image in whole) <= 5
    assert sum(bool(detector.detect(image, fast=True)) for image in whole) >= 8


def test_small_faces_of_a_large_picture_are_found_unless_speed_is_asked_for(detector):
    places = [(100, 100, 64), (500, 900, 64), (900, 300, 64), (1400, 700, 64), (1200, 1000, 64)]
    large = scene(*places, width=1600, height=1200)
    assert len(detector.detect(large, fast=True)) == 0
    assert len(detector.detect(large)) >= 4


def test_a_large_face_beside_a_small_one_gives_two_faces(detector):
    faces = detector.detect(scene((100, 100, 800), (1200, 500, 80), width=1600, height=1000))
    assert len(faces) == 2
    assert faces[0].box[2] > 5 * faces[1].box[2]


@pytest.mark.parametrize("kind", ["flat", "noise", "ramp"])
def test_where_no_face_is_none_is_found(detector, kind):
    image = {
        "flat": np.full((480, 640, 3), 128, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8),
        "ramp": np.tile(np.linspace(0, 255, 640).astype(np.uint8), (480, 1)),
    }[kind]
    assert detector.detect(image) == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 320), (2, 5000), (48, 30_000), (30_000, 48), (9, 9), (33, 17)])
def test_any_size_is_taken(detector, shape):
    assert detector.detect(np.zeros(shape, np.uint8)) == ()


def test_a_face_in_a_panorama_is_found(detector):
    assert len(detector.detect(scene((3000, 20, 200), width=6000, height=240), fast=True)) == 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.float32),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10), np.uint8),
        np.zeros((2, 10, 10, 3), np.uint8),
        np.zeros(10, np.uint8),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_what_is_no_image_is_refused_in_a_sentence(detector, image):
    with pytest.raises(ImageError, match="gray \\(H, W\\) or RGB"):
        detector.detect(image)


def test_the_image_is_left_as_it_is(detector):
    image = scene((200, 100, 200))
    before = image.copy()
    image.setflags(write=False)
    detector.detect(image)
    assert np.array_equal(image, before)


def test_wild_numbers_of_the_network_are_no_faces(monkeypatch):
    good = [10, 10, 50, 50, *[30] * 10, 0.9]
    wild = [
        [-9e15, -3e15, 0, 0, *[2e16] * 10, 1.0],  # as OpenCV 4.10 returned for 4096×8 pixels
        [np.nan, *good[1:]],
        [*good[:14], np.inf],
        [10, 10, 5000, 50, *[30] * 10, 0.9],
        [900, 10, 50, 50, *[30] * 10, 0.9],
        [10, 10, -5, 50, *[30] * 10, 0.9],
    ]
    own = FaceDetector()
    rows = np.array([*wild, good], np.float32)
    monkeypatch.setattr(own, "_net", SimpleNamespace(setInputSize=lambda size: None, detect=lambda image: (1, rows)))
    (one,) = own.detect(np.zeros((320, 320, 3), np.uint8))
    assert one.box == (10, 10, 50, 50)


def test_suppression_keeps_the_best_of_each_place_and_drops_parts_of_a_face():
    best, shifted = face(0, 0, 100, 100, 0.9), face(10, 0, 100, 100, 0.8)
    part = face(30, 30, 20, 20, 0.85)  # IoU 0.04, wholly inside
    neighbour = face(90, 0, 100, 100, 0.7)  # IoU 0.05
    apart = face(500, 500, 10, 10, 0.6)
    assert _suppress([apart, neighbour, part, shifted, best]) == [best, neighbour, apart]
    assert _suppress([]) == []


def test_threads_that_share_a_detector_get_what_one_thread_gets(detector):
    images = [scene((40 * i, 20 * i, 160 + 10 * i), width=500 + 60 * i, height=420) for i in range(4)]
    alone = [[one.box for one in detector.detect(image)] for image in images]
    together: dict[int, list] = {}

    def work(i: int) -> None:
        together[i] = [[one.box for one in detector.detect(images[i])] for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(len(boxes) == 1 for boxes in alone)
    assert together == {i: [alone[i]] * 5 for i in range(4)}


def test_making_a_detector_prints_nothing(capfd):
    FaceDetector().detect(np.zeros((100, 100), np.uint8))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("level", [0, 2, 3, 4])
def test_the_log_level_of_opencv_is_as_before(level):
    logging = getattr(cv2.utils, "logging", cv2)
    before = logging.getLogLevel()
    try:
        logging.setLogLevel(level)
        FaceDetector()
        assert logging.getLogLevel() == level
    finally:
        logging.setLogLevel(before)


def test_damaged_weights_are_refused_before_they_are_used(tmp_path):
    content = bytearray(asset(YUNET).read_bytes())
    content[5000] ^= 1
    damaged = tmp_path / "yunet.onnx"
    damaged.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or another version"):
        FaceDetector(weights=damaged)
    with pytest.raises(ModelError, match="cannot be read"):
        FaceDetector(weights=tmp_path / "none.onnx")


def test_weights_are_found_under_a_path_of_any_characters(tmp_path):
    odd = tmp_path / "gesichter – 顔.onnx"
    odd.write_bytes(asset(YUNET).read_bytes())
    assert len(FaceDetector(weights=odd).detect(scene((200, 100, 200)))) == 1


@pytest.mark.parametrize(
    "settings", [{"longest_side": 32}, {"longest_side": 10_000}, {"threshold": 0}, {"threshold": 2}]
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="longest_side"):
        FaceDetector(**settings)


def test_a_higher_threshold_finds_no_more_faces():
    image = scene((200, 100, 200))
    assert len(FaceDetector(threshold=0.99).detect(image)) < len(FaceDetector(threshold=0.6).detect(image))


@pytest.mark.real_data
def test_a_face_is_found_in_the_real_photographs(detector, photos):
    counts = [len(detector.detect(read_photo(path).rgb)) for path in photos]
    assert len(photos) == 60
    assert sum(count >= 1 for count in counts) >= 57
    assert sum(counts) <= 63
    assert sum(len(detector.detect(read_photo(path).rgb, fast=True)) >= 1 for path in photos) >= 57


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_photographs_show_the_face_turned(detector, photos, turns):
    for path in photos[:5]:
        rgb = read_photo(path).rgb
        before, after = largest(detector.detect(rgb)), largest(detector.detect(np.rot90(rgb, -turns)))
        assert before is not None
        assert after is not None
        assert crop_box(before).turns == 0
        assert crop_box(after).turns == turns
        assert after.score >= UPRIGHT_SCORE
        crops = [crop_face(rgb, before), crop_face(np.rot90(rgb, -turns), after)]
        assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.95


def test_in_live_use_only_the_largest_doubtful_face_is_searched_turned(detector, monkeypatch):
    searched = []
    doubtful = [face(0, 0, 50, 50, 0.7), face(100, 0, 90, 90, 0.8), face(300, 0, 95, 95, 0.95)]
    monkeypatch.setattr(detector, "_search", lambda *_: list(doubtful))
    monkeypatch.setattr(detector, "_search_around", lambda _, one, __: searched.append(one) or one)
    assert len(detector.detect(scene(), fast=True)) == 3
    assert searched == [doubtful[1]]


def test_an_upright_face_without_doubt_costs_no_further_search(detector, monkeypatch):
    monkeypatch.setattr(detector, "_search", lambda *_: [face(100, 0, 90, 90, 0.95)])
    monkeypatch.setattr(detector, "_search_turned", lambda *_: pytest.fail("searched turned"))
    assert len(detector.detect(scene())) == 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_detection_is_mapped_back_to_the_image(turns):
    width, height = 500, 400
    one = Face((20.0, 30.0, 100.0, 60.0), 0.9, np.array([(25, 35)] * 5, np.float32))
    back = _turn_back(one, turns, width, height)
    pixels = np.zeros((height, width), np.uint8)
    turned = np.rot90(pixels, turns)  # a view: what is drawn there is drawn in the image
    turned[30:90, 20:120] = 1
    left, top, w, h = map(int, back.box)
    assert pixels[top : top + h, left : left + w].all()
    assert pixels.sum() == w * h
    x, y = back.landmarks[0]
    corners = [(left, top), (left + w, top), (left, top + h), (left + w, top + h)]
    assert min(abs(x - a) + abs(y - b) for a, b in corners) == 10
