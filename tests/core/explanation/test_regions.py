from __future__ import annotations

import numpy as np
import pytest

from fer_core.explanation.regions import REGIONS, areas, region_masks, shares, study_regions
from fer_core.inference import Classifier
from tests.factories import make_dataset, untrained_checkpoint


def test_every_pixel_belongs_to_exactly_one_region():
    for landmarks in (None, np.array([[14, 20], [34, 18], [25, 28], [17, 37], [33, 36]]), np.zeros((5, 2))):
        masks = region_masks(landmarks)
        assert sum(mask.astype(int) for mask in masks.values()).tolist() == np.ones((48, 48), int).tolist()
        assert tuple(masks) == REGIONS


def test_regions_lie_where_the_landmarks_are():
    landmarks = np.array([[14, 20], [34, 18], [25, 28], [17, 37], [33, 36]])
    masks = region_masks(landmarks)
    for (x, y), region in zip(landmarks, ("eyes", "eyes", "nose", "mouth", "mouth"), strict=True):
        assert masks[region][y, x], region
    assert masks["rest"][2, 2]


def test_regions_move_with_the_landmarks():
    base = np.array([[14, 20], [34, 20], [24, 28], [17, 37], [31, 37]], dtype=float)
    shifted = region_masks(base + np.array([3, -2]))
    for name, mask in region_masks(base).items():
        if name != "rest":
            np.testing.assert_array_equal(np.roll(mask, (-2, 3), axis=(0, 1)), shifted[name])


def test_shares_by_hand():
    masks = region_masks()
    attribution = np.zeros((48, 48))
    attribution[tuple(np.argwhere(masks["eyes"])[0])] = 3
    attribution[tuple(np.argwhere(masks["mouth"])[0])] = 1
    assert shares(attribution, masks) == {"eyes": 0.75, "nose": 0, "mouth": 0.25, "rest": 0}
    assert shares(np.zeros((48, 48)), masks) is None
    assert shares(-attribution, masks) is None


def test_an_even_map_holds_shares_equal_to_the_areas():
    masks = region_masks()
    assert shares(np.ones((48, 48)), masks) == pytest.approx(areas(masks))
    assert sum(areas(masks).values()) == pytest.approx(1)


def test_a_study_is_the_mean_of_single_faces(tmp_path):
    from fer_core.explanation import explain

    classifier = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))
    dataset = make_dataset()
    indices = dataset.indices("test")[:10]
    study = study_regions(classifier, dataset, indices, "gradient")
    masks = region_masks()
    plain = [shares(explain(classifier, dataset.images[i], "gradient").positive, masks) for i in indices]
    for name in REGIONS:
        values = [row[name] for row in plain]
        assert study.mean[name] == pytest.approx(np.mean(values), abs=1e-4)
        half = 1.96 * np.std(values, ddof=1) / np.sqrt(10)
        assert study.ci95[name] == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=1e-4)
    assert study.n == 10
    assert "of the area" in study.sentence()
    assert set(study.to_dict()["shares"]) == set(REGIONS)
