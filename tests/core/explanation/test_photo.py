from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fer_core.errors import FerError, ImageError
from fer_core.explanation.photo import explain_photo, landmarks_in_crop, overlay
from fer_core.explanation.saliency import make_saliency
from fer_core.faces import Face, Square, crop_box, crop_square
from fer_core.inference import Classifier
from tests.factories import untrained_checkpoint


class OneFace:
    """A detector that sees one face in the middle."""

    def detect(self, image, fast=False):
        points = np.array([[130, 110], [190, 110], [160, 140], [135, 170], [185, 170]], np.float32)
        return (Face((100, 70, 120, 140), 0.9, points),)


class NoFace:
    def detect(self, image, fast=False):
        return ()


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_photograph_is_explained_on_the_crop_the_network_sees(classifier, photo):
    result = explain_photo(photo, classifier, "gradient", "sad", detector=OneFace())
    face = OneFace().detect(None)[0]
    with Image.open(photo) as opened:
        expected = crop_square(np.asarray(opened), crop_box(face))
    np.testing.assert_array_equal(result.crop, expected)
    record = result.to_dict()
    assert set(record) >= {
        "method",
        "target",
        "shares",
        "deletion_auc",
        "insertion_auc",
        "random_auc",
        "randomisation_similarity",
        "randomization_similarity",
    }
    assert record["target"] == "sad"
    assert sum(record["shares"].values()) == pytest.approx(1)
    assert "Gradient for 'sad'" in result.text()


def test_landmarks_move_into_the_crop():
    face = Face((0, 0, 1, 1), 1, np.array([[10, 20], [30, 20], [20, 30], [12, 40], [28, 40]], np.float32))
    found = landmarks_in_crop(face, Square(0, 10, 96))
    np.testing.assert_allclose(found[0], [5, 5])
    np.testing.assert_allclose(found[4], [14, 15])


def test_no_face_is_said_and_never_guessed(classifier, photo):
    with pytest.raises(ImageError, match="No face was found"):
        explain_photo(photo, classifier, detector=NoFace())


def test_an_unknown_method_is_refused_before_the_photograph_is_read(classifier):
    with pytest.raises(FerError, match="Unknown method"):
        explain_photo("missing.jpg", classifier, "xray")


def test_the_overlay_paints_only_where_the_map_speaks():
    crop = np.full((48, 48), 100, np.uint8)
    values = np.zeros((48, 48), np.float32)
    values[10, 10] = 1
    painted = overlay(crop, make_saliency("gradcam", 0, "angry", values), side=48)
    assert painted[40, 40].tolist() == [100, 100, 100]
    assert painted[10, 10].tolist() != [100, 100, 100]
    empty = overlay(crop, make_saliency("gradcam", 0, "angry", values * 0), side=48)
    assert (empty == 100).all()


def test_the_picture_is_saved_in_the_format_its_name_says(classifier, photo, tmp_path):
    result = explain_photo(photo, classifier, "gradient", detector=OneFace())
    result.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as saved:
        assert saved.size == (960, 480)
    with pytest.raises(ImageError, match="does not have an image extension"):
        result.save(tmp_path / "out.exe")
    assert not (tmp_path / "out.exe").exists()
