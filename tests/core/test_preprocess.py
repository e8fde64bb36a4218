from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fer_core.config import PreprocessConfig
from fer_core.errors import ImageError
from fer_core.preprocess import as_faces, to_face, to_grey, to_tensor


def test_a_tensor_is_pixels_scaled_by_mean_and_deviation():
    faces = np.arange(2 * 48 * 48, dtype=np.int64).reshape(2, 48, 48).astype(np.uint8)
    tensor = to_tensor(faces, PreprocessConfig(mean=0.5, std=0.25))
    assert tensor.shape == (2, 1, 48, 48)
    assert tensor.dtype == torch.float32
    np.testing.assert_allclose(tensor[:, 0].numpy(), (faces / 255 - 0.5) / 0.25, atol=1e-6)


def test_one_face_gains_the_first_axis():
    assert as_faces(np.zeros((48, 48), np.uint8)).shape == (1, 48, 48)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 47, 48), np.uint8), np.zeros((48, 48), np.float32), np.zeros((1, 48, 48, 3), np.uint8)]
)
def test_anything_else_than_faces_is_refused_with_its_shape(array):
    with pytest.raises(ImageError, match=r"uint8 array of shape \(N, 48, 48\)"):
        as_faces(array)


def test_grey_agrees_with_pillow_within_rounding():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    ours, pillow = to_grey(rgb).astype(int), np.asarray(Image.fromarray(rgb).convert("L")).astype(int)
    assert np.abs(ours - pillow).max() <= 1


def test_transparent_pixels_lie_on_mid_grey_and_16_bit_is_scaled():
    assert to_grey(np.zeros((2, 2, 4), np.uint8))[0, 0] == 128
    assert to_grey(np.full((2, 2), 65535, np.uint16))[0, 0] == 255


def test_a_face_of_the_right_size_comes_back_unchanged():
    face = np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8)
    np.testing.assert_array_equal(to_face(face), face)


def test_shrinking_averages_areas():
    image = np.zeros((96, 96), np.uint8)
    image[::2] = 200  # alternate rows: every 2x2 block has mean 100
    assert (to_face(image) == 100).all()


def test_an_empty_or_odd_image_is_refused():
    for bad in (np.zeros((0, 5), np.uint8), np.zeros((5, 5, 2), np.uint8), np.zeros((5, 5), np.float64)):
        with pytest.raises(ImageError):
            to_face(bad)
