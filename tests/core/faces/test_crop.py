from __future__ import annotations

import zipfile

import cv2
import numpy as np
import pytest

from fer_core.errors import ImageError
from fer_core.explanation.photo import landmarks_in_crop
from fer_core.faces import (
    Face,
    Square,
    crop_box,
    crop_face,
    crop_square,
    crop_squares,
    largest,
    square_around,
)
from fer_core.faces.crop import CENTRE, NOSE_SHARE, SPREAD
from fer_core.images import read_photo
from tests.core.faces.conftest import drawn, scene
from tests.core.faces.framing import measure_framing

# Medians over FER2013's Training faces, as the module's docstring has them
FER2013 = {
    "eyes_x": 0.493, "eyes_y": 0.380, "eye_distance": 0.376, "nose_x": 0.490, "nose_y": 0.591, "mouth_x": 0.498,
    "mouth_y": 0.753, "box_x": 0.501, "box_y": 0.516, "box_width": 0.819, "box_height": 0.983,
}  # fmt: skip


def face(landmarks: object) -> Face:
    points = np.array(landmarks, np.float32)
    return Face((0.0, 0.0, 1.0, 1.0), 0.9, points)


def median_face(x: float = 0, y: float = 0, side: float = 1000) -> Face:
    """A face whose landmarks lie at FER2013's medians in the square (x, y, side)."""
    half, mouth = FER2013["eye_distance"] / 2, 0.147
    points = [
        (FER2013["eyes_x"] - half, FER2013["eyes_y"]),
        (FER2013["eyes_x"] + half, FER2013["eyes_y"]),
        (FER2013["nose_x"], FER2013["nose_y"]),
        (FER2013["mouth_x"] - mouth, FER2013["mouth_y"]),
        (FER2013["mouth_x"] + mouth, FER2013["mouth_y"]),
    ]
    return face(np.array(points) * side + [x, y])


def test_the_square_of_a_median_face_is_the_frame_of_fer2013():
    square = crop_box(median_face(500, 300, 1000))
    # Medians of single measures need not fit together exactly; they do within 2% of the side
    assert abs(square.x - 500) <= 20
    assert abs(square.y - 300) <= 20
    assert abs(square.side - 1000) <= 20


def test_the_square_worked_out_by_hand():
    # Eyes at (0, 0) and (6, 0), mouth at (0, 8) and (6, 8), nose in the middle (3, 4): the mean is (3, 4), each corner
    # is 5 away, the nose 0, so the spread is sqrt(4 · 25 / 5) = sqrt(20).
    square = crop_box(face(np.array([(0, 0), (6, 0), (3, 4), (0, 8), (6, 8)]) * 100))
    side = 100 * 20**0.5 / SPREAD
    assert square.side == round(side) == 1957
    assert square.x == round(300 + CENTRE[0] * side - 1957 / 2)
    assert square.y == round(400 + CENTRE[1] * side - 1957 / 2)


def test_a_turned_head_moves_the_square_away_from_the_nose():
    points = np.array([(0, 0), (6, 0), (3, 4), (0, 8), (6, 8)], float) * 100
    straight = crop_box(face(points))
    points[2, 0] += 100
    turned = crop_box(face(points))
    centre = lambda s: s.x + s.side / 2 - CENTRE[0] * s.side  # noqa: E731
    assert centre(turned) - centre(straight) == pytest.approx(-NOSE_SHARE * 100, abs=2)


def test_the_square_follows_the_face_when_it_moves_and_grows():
    base = crop_box(median_face(0, 0, 1000))
    assert crop_box(median_face(70, -30, 1000)) == Square(base.x + 70, base.y - 30, base.side)
    large = crop_box(median_face(0, 0, 5000))
    assert abs(large.side - 5 * base.side) <= 3
    assert abs(large.x - 5 * base.x) <= 5


def test_landmarks_all_in_one_point_still_give_a_square():
    assert crop_box(face(np.full((5, 2), 50))).side == 1


def plain_crop(image: np.ndarray, square: Square) -> np.ndarray:
    """The same by loops: repeat the edge by limiting the indices, then average blocks."""
    k = square.side // 48
    out = np.zeros((48, 48))
    for i in range(48):
        for j in range(48):
            rows = np.clip(np.arange(square.y + i * k, square.y + (i + 1) * k), 0, image.shape[0] - 1)
            columns = np.clip(np.arange(square.x + j * k, square.x + (j + 1) * k), 0, image.shape[1] - 1)
            out[i, j] = image[np.ix_(rows, columns)].mean()
    return out


@pytest.mark.parametrize(
    "square", [Square(10, 20, 96), Square(-30, -17, 144), Square(80, 60, 192), Square(-50, -50, 432)]
)
def test_the_crop_is_the_mean_of_its_pixels_with_edges_repeated(square):
    image = np.random.default_rng(0).integers(0, 256, (150, 170)).astype(np.uint8)
    assert np.abs(crop_square(image, square) - plain_crop(image, square)).max() <= 0.5001


def test_forty_eight_pixels_come_back_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (100, 100)).astype(np.uint8)
    assert np.array_equal(crop_square(image, Square(7, 9, 48)), image[9:57, 7:55])


def test_colour_is_turned_grey_by_the_weights_of_fer2013():
    image = np.full((60, 60, 3), (200, 100, 50), np.uint8)
    assert (crop_square(image, Square(0, 0, 60)) == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_what_lies_outside_the_square_does_not_matter():
    image = np.random.default_rng(0).integers(0, 256, (100, 100)).astype(np.uint8)
    other = image.copy()
    other[:10], other[80:], other[:, :10], other[:, 80:] = 0, 0, 255, 255
    assert np.array_equal(crop_square(image, Square(10, 10, 70)), crop_square(other, Square(10, 10, 70)))


@pytest.mark.parametrize(
    "square", [Square(100, 0, 50), Square(0, -50, 50), Square(0, 0, 0), Square(-(10**6), -(10**6), 10**7)]
)
def test_a_square_that_does_not_touch_the_image_or_is_absurd_is_refused(square):
    with pytest.raises(ImageError, match="is outside"):
        crop_square(np.zeros((100, 100), np.uint8), square)


def test_a_box_marked_by_hand_becomes_the_square_about_it():
    assert square_around(10, 20, 30, 30) == Square(10, 20, 30)
    assert square_around(10, 20, 30, 50) == Square(0, 20, 50)
    assert square_around(10.4, 20.4, 0.1, 0.2).side == 1


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (0, 0, 5, -5), (0, 0, float("nan"), 5), (0, 0, float("inf"), 5)])
def test_a_box_without_size_is_refused(box):
    with pytest.raises(ImageError, match="width and a height"):
        square_around(*box)


def test_many_squares_make_one_batch():
    image = scene((200, 100, 200))
    squares = [Square(0, 0, 60), Square(-10, 30, 100)]
    batch = crop_squares(image, squares)
    assert batch.shape == (2, 48, 48)
    assert all(np.array_equal(a, crop_square(image, s)) for a, s in zip(batch, squares, strict=True))
    assert crop_squares(image, []).shape == (0, 48, 48)


def test_drawn_faces_are_cropped_to_the_frame_of_fer2013_at_any_size_and_place(detector):
    crops = []
    for seed in range(24):
        size = 90 + 20 * seed
        image = cv2.copyMakeBorder(drawn(size, seed), 60, 60, 10 * seed, 60, cv2.BORDER_REPLICATE)
        one = largest(detector.detect(image))
        if one is not None:
            crops.append(crop_face(image, one))
    framing = measure_framing(np.stack(crops))
    assert framing.found >= 22
    for name in ("eyes_x", "eyes_y", "eye_distance", "mouth_x", "mouth_y", "box_x", "box_y"):
        assert framing.measures[name].median == pytest.approx(FER2013[name], abs=0.03), name


def test_framing_counts_the_faces_that_were_found():
    faces = np.stack([np.zeros((48, 48), np.uint8), cv2.resize(drawn(200), (48, 48), interpolation=cv2.INTER_AREA)])
    seen = []
    framing = measure_framing(faces, on_progress=lambda done, total: seen.append((done, total)))
    assert (framing.n, framing.found) == (2, 1)
    assert seen == [(1, 2), (2, 2)]
    one = framing.measures["eyes_y"]
    assert one.q25 == one.median == one.q75
    assert measure_framing(faces[:1]).measures == {}


@pytest.mark.real_data
def test_the_constants_are_those_measured_on_fer2013(fer2013_zip):
    with zipfile.ZipFile(fer2013_zip) as archive:
        names = [name for name in archive.namelist() if "Training_" in name]
        chosen = np.random.default_rng(3).choice(names, 500, replace=False)
        faces = np.stack([cv2.imdecode(np.frombuffer(archive.read(str(n)), np.uint8), 0) for n in chosen])
    framing = measure_framing(faces)
    assert framing.found >= 480
    for name, expected in FER2013.items():
        assert framing.measures[name].median == pytest.approx(expected, abs=0.015), name
    assert framing.measures["spread"].median == pytest.approx(SPREAD, abs=0.005)
    assert framing.measures["centre_x"].median == pytest.approx(CENTRE[0], abs=0.01)
    assert framing.measures["centre_y"].median == pytest.approx(CENTRE[1], abs=0.01)
    # not registered in angle, or their quartiles would lie together
    assert framing.measures["roll"].q75 - framing.measures["roll"].q25 > 5


@pytest.mark.real_data
def test_real_photographs_are_cropped_to_the_frame_of_fer2013(detector, photos):
    crops = []
    for path in photos:
        photo = read_photo(path)
        one = largest(detector.detect(photo.rgb))
        if one is not None:
            crops.append(crop_face(photo.rgb, one))
    framing = measure_framing(np.stack(crops))
    assert framing.found >= 57
    for name, expected in FER2013.items():
        assert framing.measures[name].median == pytest.approx(expected, abs=0.025), name


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_turned_by_quarters_gives_the_same_crop(turns):
    image = np.random.default_rng(0).integers(0, 256, (400, 500), dtype=np.uint8)
    upright = median_face(171.3, 92.7, 203.4)
    height, width = image.shape
    x, y = upright.landmarks.T.astype(np.float64)
    points = [(x, y), (height - y, x), (width - x, height - y), (y, width - x)][turns]  # clockwise
    turned, turned_face = np.rot90(image, -turns), face(np.stack(points, axis=1))
    square = crop_box(turned_face)
    assert square.turns == turns
    assert square.side == crop_box(upright).side
    assert np.array_equal(crop_face(turned, turned_face), crop_face(image, upright))
    assert np.allclose(landmarks_in_crop(turned_face, square), landmarks_in_crop(upright, crop_box(upright)), atol=0.01)


@pytest.mark.parametrize(("degrees", "turns"), [(-44, 0), (44, 0), (46, 1), (134, 1), (136, 2), (-136, 2), (-46, 3)])
def test_a_tilted_face_is_turned_to_the_nearest_quarter(degrees, turns):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    tilted = median_face().landmarks @ np.array([[c, s], [-s, c]])
    assert crop_box(face(tilted)).turns == turns
