"""What is kept of a picture, and the reason why not."""

import dataclasses

import cv2
import numpy as np
import pytest

from fer_core.faces import Face, FaceDetector, crop_face, largest
from fer_core.images import read_photo
from fer_core.resources import asset
from fer_core.teach import ADVICE, judge
from fer_core.teach.judge import sharpness
from tests.sample_photos import wall
from tests.teach_factory import draw_take, photo


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return photo(draw_take("happy", 0, 1)[0])


@pytest.mark.parametrize("fast", [False, True])
def test_a_face_is_cropped_by_the_one_crop_rule(detector, portrait, fast):
    found = judge(portrait, detector, fast=fast)
    face = largest(detector.detect(portrait, fast=fast))
    assert face is not None
    np.testing.assert_array_equal(found.image, crop_face(portrait, face))
    assert (found.kept, found.box, found.advice) == (True, face.box, "")


def cut(portrait: np.ndarray, detector: FaceDetector) -> np.ndarray:
    """The picture from the middle of the face on."""
    face = largest(detector.detect(portrait))
    assert face is not None
    return portrait[:, round(face.centre[0] - 0.05 * face.box[2]) :]


def pictures(portrait: np.ndarray, detector: FaceDetector) -> dict[str, np.ndarray]:
    return {
        "no face": wall(640, 480),
        "several faces": read_photo(asset("samples", "two-portraits.jpg")).rgb,
        "face cut off": cut(portrait, detector),
    }


@pytest.mark.parametrize("reason", ["no face", "several faces", "face cut off"])
def test_other_pictures_are_left_out_with_the_reason_and_advice(detector, portrait, reason):
    found = judge(pictures(portrait, detector)[reason], detector)
    assert (found.reason, found.image, found.kept) == (reason, None, False)
    assert found.advice == ADVICE[reason]
    assert (found.box is None) == (reason == "no face")


class FixedDetector:
    """Finds the same faces in every picture."""

    def __init__(self, *faces: Face) -> None:
        self.faces = faces

    def detect(self, image: np.ndarray, fast: bool = False) -> tuple[Face, ...]:
        return self.faces


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 25.0)), "blurred"),
        (lambda image: image // 64 + 10, "unclear face"),
    ],
)
def test_a_blurred_or_dark_face_is_left_out(detector, portrait, change, reason):
    known = FixedDetector(*detector.detect(portrait))
    assert judge(portrait, known).kept
    assert judge(change(portrait), known).reason == reason


def test_a_face_that_the_detector_doubts_is_left_out(detector, portrait):
    """It would be "not sure" whatever is taught."""
    (face,) = detector.detect(portrait)
    assert judge(portrait, FixedDetector(dataclasses.replace(face, score=0.7))).reason == "unclear face"
    assert judge(portrait, FixedDetector(face, dataclasses.replace(face, score=0.7))).kept


def test_a_small_face_in_the_background_does_not_count(detector, portrait):
    crowd = portrait.copy()
    small = cv2.resize(portrait[60:400, 150:490], (110, 110), interpolation=cv2.INTER_AREA)
    crowd[10:120, 500:610] = small
    assert len(detector.detect(crowd)) == 2
    assert judge(crowd, detector).kept


def test_sharpness_ignores_light_and_falls_with_blur():
    face = draw_take("neutral", 0, 1)[0]
    dark = (face * 0.4).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(face, (0, 0), 2.0))
    assert sharpness(dark) == pytest.approx(sharpness(face), rel=0.1)
    assert sharpness(soft) < 0.5 * sharpness(face)
    assert sharpness(np.full((48, 48), 9, np.uint8)) == 0
