from __future__ import annotations

from fractions import Fraction
from itertools import product

import av
import numpy as np
import pytest

from fer_core.inference import Classifier
from fer_core.live.media.display import DisplayTransform, Placement, letterbox
from tests.core.live.media.clips import (
    annotate,
    bug,
    frames_of,
    needs_ffmpeg,
    rows_of,
    shown_by_ffmpeg,
    spot,
    with_matrix,
    write,
)
from tests.factories import untrained_checkpoint

ONE = 1 << 16
MATRICES = [
    [*rows, 0, 0, 1 << 30]
    for x, y in product((ONE, -ONE), repeat=2)
    for rows in ([x, 0, 0, 0, y, 0], [0, x, 0, y, 0, 0])
]
"""All eight right-angled display matrices: four rotations, each mirrored or not."""


@pytest.fixture
def classifier(tmp_path) -> Classifier:
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_pixel_goes_where_the_matrix_sends_it(matrix):
    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    a, b, _, c, d = matrix[:5]
    targets = {(x, y): ((a * x + c * y) // ONE, (b * x + d * y) // ONE) for x in range(3) for y in range(2)}
    left, top = (min(point[i] for point in targets.values()) for i in (0, 1))
    shown = DisplayTransform.from_stream(matrix, None).orient(stored)
    for (x, y), (right, down) in targets.items():
        np.testing.assert_array_equal(shown[down - top, right - left], stored[y, x])


@needs_ffmpeg
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_video_is_shown_and_copied_as_ffmpeg_shows_it(tmp_path, classifier, matrix):
    plain = write(tmp_path / "plain.mp4", [spot(160, 120)] * 3)
    source = with_matrix(plain, tmp_path / "in.mp4", matrix)
    expected = shown_by_ffmpeg(source, tmp_path)
    result = annotate(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    assert (result.height, result.width) == expected.shape[:2]
    copy = shown_by_ffmpeg(tmp_path / "out.mp4", tmp_path)
    assert copy.shape == expected.shape
    dark = expected.max(axis=2) < 100  # outside of the spot, box and caption
    assert np.abs(copy.astype(int) - expected)[dark].mean() < 30
    rows, columns = np.nonzero(expected.min(axis=2) > 128)
    box = [float(rows_of(tmp_path / "t.csv")[0][name]) for name in ("x", "y", "width", "height")]
    assert box == pytest.approx([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1], abs=2)
    np.testing.assert_array_equal(frames_of(tmp_path / "out.mp4")[0].shape, expected.shape)  # no matrix is left


def test_a_mirrored_display_matrix_keeps_a_happy_face_happy(tmp_path):
    result = annotate(bug("mirrored_matrix.mp4"), None, None, Classifier.load("seed"))
    assert (result.width, result.height) == (480, 320)


@pytest.mark.parametrize(
    ("size", "ratio", "shown"),
    [
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((240, 320), Fraction(2), (480, 320)),
        ((320, 240), Fraction(1, 2), (320, 480)),
        ((320, 240), None, (320, 240)),
        ((320, 240), Fraction(0), (320, 240)),
        ((320, 240), Fraction(1, 1000), (320, 240)),
    ],
)
def test_pixels_become_square_and_no_side_shrinks(size, ratio, shown):
    assert DisplayTransform.from_stream(None, ratio).square_size(*size) == shown


def test_pal_video_is_searched_copied_and_tabulated_in_square_pixels(tmp_path, classifier):
    source = write(tmp_path / "in.mp4", [spot(720, 576)] * 2, sample_aspect_ratio=Fraction(64, 45))
    result = annotate(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    assert (result.width, result.height) == (1024, 576)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == 1
    (copy, _) = frames_of(tmp_path / "out.mp4")
    assert copy.shape == (576, 1024, 3)
    row = rows_of(tmp_path / "t.csv")[0]
    box = [float(row[name]) for name in ("x", "y", "width", "height")]
    assert box == pytest.approx([120 * 64 / 45, 72, 240 * 64 / 45, 144], abs=3)


def test_pixel_ratio_and_rotation_apply_in_the_order_of_a_player(tmp_path, classifier):
    plain = write(tmp_path / "plain.mp4", [spot(160, 120)] * 2, sample_aspect_ratio=Fraction(2))
    source = with_matrix(plain, tmp_path / "in.mp4", [0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30])
    result = annotate(source, None, None, classifier)
    assert (result.width, result.height) == (120, 320)


def test_an_image_of_another_size_is_letterboxed_and_its_boxes_follow():
    image = spot(100, 200)
    canvas = letterbox(image, (400, 300))
    assert canvas.shape == (300, 400, 3)
    place = Placement.fit((100, 200), (400, 300))
    assert (place.left, place.top, place.width, place.height) == (125, 0, 150, 300)
    assert canvas[:, :125].max() == canvas[:, 275:].max() == 0
    rows, columns = np.nonzero(canvas.min(axis=2) > 128)
    box = place.box((16, 25, 33, 50))
    assert box == pytest.approx((columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1), abs=1.5)
    assert letterbox(image, (100, 200)) is image


@needs_ffmpeg
def test_a_video_that_changes_its_size_is_letterboxed_into_the_first(tmp_path, classifier):
    wide = write(tmp_path / "a.ts", [spot(160, 120)] * 10)
    tall = write(tmp_path / "b.ts", [spot(120, 160)] * 10)
    (tmp_path / "in.ts").write_bytes(wide.read_bytes() + tall.read_bytes())
    result = annotate(tmp_path / "in.ts", tmp_path / "out.mp4", tmp_path / "t.csv", classifier)
    assert (result.frames, result.width, result.height) == (20, 160, 120)
    assert any("letterboxed into 160×120" in note for note in result.notes)
    copied = frames_of(tmp_path / "out.mp4")
    assert {image.shape for image in copied} == {(120, 160, 3)}
    assert copied[-1][:, :30].max() < 40  # the bar at the left
    rows = rows_of(tmp_path / "t.csv")
    place = Placement.fit((120, 160), (160, 120))
    last = [float(rows[-1][name]) for name in ("x", "y", "width", "height")]
    assert last == pytest.approx(place.box((20, 20, 40, 40)), abs=2)
    assert float(rows[0]["x"]) == pytest.approx(160 // 6, abs=2)


def test_the_boxes_of_a_mirrored_copy_are_mirrored_too(tmp_path, classifier):
    source = write(tmp_path / "in.mp4", [spot(160, 120)] * 2)
    annotate(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier, mirror=True)
    row = rows_of(tmp_path / "t.csv")[0]
    width = 160 // 3
    assert float(row["x"]) == pytest.approx(160 - 160 // 6 - width, abs=2)
    shown = frames_of(tmp_path / "out.mp4")[0]
    rows, columns = np.nonzero(shown[:, :, :].min(axis=2) > 200)
    assert columns.mean() > 80
    assert rows.size
