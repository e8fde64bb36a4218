from __future__ import annotations

import pytest
import torch

from fer_core.config import AugmentConfig
from fer_core.training.step.augment import augment

OFF = AugmentConfig.off()


def run(pixels, seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    return augment(pixels, OFF.model_copy(update=changes), generator, fill=128.0)


@pytest.fixture
def pixels():
    return torch.rand(64, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 255


def test_no_augmentation_changes_nothing(pixels):
    assert torch.equal(run(pixels), pixels)


def test_mirroring_flips_about_half_of_the_faces_exactly(pixels):
    out = run(pixels, flip=True)
    same = torch.isclose(out, pixels, atol=1e-2).all(dim=(1, 2, 3))
    mirrored = torch.isclose(out, pixels.flip(3), atol=1e-2).all(dim=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 16 <= int(mirrored.sum()) <= 48


def center_of_mass(image):
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    total = image.sum(dim=(1, 2, 3))
    return (image[:, 0] * x).sum((1, 2)) / total, (image[:, 0] * y).sum((1, 2)) / total


def test_shifts_stay_within_their_share_of_the_side():
    spot = torch.zeros(200, 1, 48, 48)
    spot[:, :, 22:26, 22:26] = 255
    x, y = center_of_mass(run(spot, shift=0.125))
    assert ((x - 23.5).abs() <= 6 + 1e-3).all()
    assert (x - 23.5).abs().max() > 5  # the range is used
    assert (y - 23.5).abs().max() > 5


def test_rotation_keeps_the_distance_from_the_center_and_turns_at_most_as_far_as_told():
    spot = torch.zeros(200, 1, 48, 48)
    spot[:, :, 22:26, 40:44] = 255  # 18 pixels to the right of the center
    x, y = center_of_mass(run(spot, rotation=20))
    radius = ((x - 23.5) ** 2 + (y - 23.5) ** 2).sqrt()
    assert torch.allclose(radius, torch.full_like(radius, 18.0), atol=0.2)
    angles = torch.rad2deg(torch.atan2(y - 23.5, x - 23.5))
    assert angles.abs().max() <= 20.5
    assert angles.max() > 15
    assert angles.min() < -15


def test_scaling_changes_areas_within_its_range():
    square = torch.zeros(200, 1, 48, 48)
    square[:, :, 16:32, 16:32] = 1
    areas = run(square, scale=0.2).sum(dim=(1, 2, 3)) / 256
    assert areas.min() >= 0.8**2 - 0.02
    assert areas.max() <= 1.2**2 + 0.02
    assert areas.max() - areas.min() > 0.4


def test_erasing_sets_one_rectangle_of_some_faces_to_the_fill():
    out = run(torch.zeros(400, 1, 48, 48), erasing=0.5)
    erased = out == 128
    touched = erased.any(dim=3).any(dim=2).any(dim=1)
    assert 150 <= int(touched.sum()) <= 250
    for face in erased[touched][:50, 0]:
        rows, columns = face.any(1).nonzero()[:, 0], face.any(0).nonzero()[:, 0]
        assert face[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
        assert 0.01 <= face.float().mean() <= 0.25


def test_brightness_and_contrast_stay_within_their_ranges_and_the_scale(pixels):
    bright = run(torch.full((100, 1, 48, 48), 100.0), brightness=0.1)
    assert (bright.amax(dim=(1, 2, 3)) - 100).abs().max() <= 25.5 + 1e-3
    flat = run(pixels, contrast=0.3)
    assert flat.min() >= 0
    assert flat.max() <= 255
    ratio = flat.std(dim=(1, 2, 3)) / pixels.std(dim=(1, 2, 3))
    assert ratio.min() >= 0.69
    assert ratio.max() <= 1.31


def test_the_same_generator_gives_the_same_faces(pixels):
    changes = AugmentConfig(erasing=0.5, brightness=0.1, contrast=0.1).to_dict()
    assert torch.equal(run(pixels, 3, **changes), run(pixels, 3, **changes))
    assert not torch.equal(run(pixels, 3, **changes), run(pixels, 4, **changes))
