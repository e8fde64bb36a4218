from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fer_core.data import synthetic
from fer_core.data.duplicates import pixel_groups
from fer_core.data.synthetic import (
    DEFAULT_COUNT,
    ActionUnits,
    draw_face,
    make_dataset,
    parse_source,
    sample_action_units,
)
from fer_core.errors import DataError
from fer_core.labels import LABELS


@pytest.fixture(scope="module")
def faces():
    return make_dataset(700)


def mean_units(emotion: str) -> dict[str, float]:
    people = [sample_action_units(emotion, np.random.default_rng(i)) for i in range(50)]
    return {name: float(np.mean([getattr(p, name) for p in people])) for name in ActionUnits.__dataclass_fields__}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("synthetic", DEFAULT_COUNT),
        ("synthetic:70", 70),
        (" Synthetic:1000 ", 1000),
        ("faces.zip", None),
        ("syntheticx", None),
    ],
)
def test_the_source_tells_how_many_faces_are_wanted(source, count):
    assert parse_source(source) == count


@pytest.mark.parametrize(
    "source",
    [
        "synthetic:",
        "synthetic:69",
        "synthetic:200001",
        "synthetic:-70",
        "synthetic:7e2",
        "synthetic:" + "9" * 99,
        "synthetic:٧٠٠",
    ],
)
def test_impossible_numbers_of_faces_are_refused(source):
    with pytest.raises(DataError, match="from 70 to 200,000"):
        parse_source(source)


def test_classes_are_balanced_within_each_split(faces):
    assert faces.counts() == {"train": 490, "valid": 105, "test": 105}
    for counts in faces.per_class().values():
        assert max(counts.values()) == min(counts.values())


@pytest.mark.parametrize("count", [70, 71, 76, 99])
def test_every_split_has_every_class_for_any_number_of_faces(count):
    dataset = make_dataset(count)
    assert len(dataset) == count
    assert all(min(counts.values()) >= 1 for counts in dataset.per_class().values())


def test_the_same_seed_draws_the_same_faces_on_any_number_of_threads(monkeypatch):
    first = make_dataset(120, seed=5)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert make_dataset(120, seed=5).fingerprint == first.fingerprint
    assert make_dataset(120, seed=6).fingerprint != first.fingerprint


def test_no_two_faces_are_the_same(faces):
    assert len(np.unique(pixel_groups(faces.images))) == 700


def test_faces_are_neither_blank_nor_blown_out(faces):
    deviation = faces.images.reshape(700, -1).std(axis=1)
    assert deviation.min() > 10
    clipped = ((faces.images == 0) | (faces.images == 255)).mean(axis=(1, 2))
    assert clipped.mean() < 0.05
    assert 90 < faces.images.mean() < 165


@pytest.mark.parametrize(
    ("emotion", "strong"),
    [
        ("angry", "brow_lower"),
        ("disgust", "nose"),
        ("fear", "lid_raise"),
        ("happy", "smile"),
        ("sad", "frown"),
        ("surprise", "jaw"),
    ],
)
def test_each_emotion_moves_its_own_muscles(emotion, strong):
    assert mean_units(emotion)[strong] > 0.6
    assert all(mean_units(other)[strong] < mean_units(emotion)[strong] for other in LABELS if other != emotion)


def test_a_neutral_face_hardly_moves():
    assert max(mean_units("neutral").values()) < 0.1


def drawn_with(**units: float) -> np.ndarray:
    """One upright person's face, 144 pixels wide, with some muscles at work."""
    person = synthetic._sample_person(np.random.default_rng(4))
    still = dataclasses.replace(
        person, yaw=0, pitch=0, roll=0, scale=1, shift=(0, 0), glasses=False, skin=120, brow_tone=10
    )
    return synthetic._draw(still, ActionUnits(**units), 144).astype(float)


@pytest.mark.parametrize(
    ("units", "rows"),
    [
        (["inner_brow", "outer_brow", "brow_lower"], slice(8, 64)),  # forehead to eyes
        (["lid_raise", "lid_tight", "droop"], slice(40, 76)),  # eyes
        (["smile", "frown", "press", "stretch", "part", "jaw"], slice(70, 144)),  # nose to chin
    ],
)
def test_each_muscle_moves_its_part_of_the_face_and_no_other(units, rows):
    for name in units:
        change = np.abs(drawn_with(**{name: 1.0}) - drawn_with()).mean(axis=1)
        assert change[rows].sum() > 0.9 * change.sum() > 5, name


def height_of_dark(face: np.ndarray, rows: slice, columns: slice) -> float:
    """Row around which the dark pixels of a part of the face lie."""
    dark = np.maximum(np.median(face[rows, columns]) - 40 - face[rows, columns], 0)
    return float((dark.sum(axis=1) * np.arange(len(dark))).sum() / dark.sum())


def test_smiles_lift_the_corners_of_the_mouth_and_frowns_lower_them():
    corner = (slice(98, 126), slice(87, 91))
    smile, rest, frown = (
        height_of_dark(drawn_with(**units), *corner) for units in ({"smile": 1.0}, {}, {"frown": 1.0})
    )
    assert smile + 3 < rest < frown - 3


def test_grief_lifts_the_inner_brows_and_anger_lowers_them():
    inner = (slice(24, 50), slice(82, 86))
    grief, rest, anger = (
        height_of_dark(drawn_with(**units), *inner) for units in ({"inner_brow": 1.0}, {}, {"brow_lower": 1.0})
    )
    assert grief + 3 < rest < anger - 2


def test_the_mouth_opens_when_the_jaw_drops_and_bares_teeth_in_a_smile():
    mouth = (slice(100, 116), slice(60, 84))
    assert drawn_with(jaw=1.0)[mouth].min() < 25 < drawn_with()[mouth].mean()
    assert drawn_with(smile=1.0, part=1.0)[mouth].max() > 200 > drawn_with()[mouth].max()


@pytest.mark.slow
def test_the_seed_network_learns_the_drawn_faces_but_not_in_one_epoch(workspace):
    from fer_core.config import TrainConfig
    from fer_core.training import train

    result = train(TrainConfig(data="synthetic", epochs=3))
    accuracies = [record.valid_accuracy for record in result.records]
    assert accuracies[0] < 0.8
    assert accuracies[-1] > 0.5


@pytest.mark.parametrize("size", [48, 64, 99, 100, 320])
def test_a_face_can_be_drawn_at_any_size(size):
    face = draw_face("happy", np.random.default_rng(0), size)
    assert face.shape == (size, size)
    assert face.dtype == np.uint8


def test_a_larger_drawing_shows_the_same_person():
    import cv2

    small, large = (draw_face("surprise", np.random.default_rng(3), size).astype(float) for size in (48, 480))
    reduced = cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), reduced.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(("emotion", "size"), [("hapy", 48), (7, 48), (-1, 48), ("happy", 47), ("happy", 5000)])
def test_impossible_drawings_are_refused(emotion, size):
    with pytest.raises(DataError):
        draw_face(emotion, np.random.default_rng(0), size)


def test_names_and_numbers_of_emotions_mean_the_same():
    drawn = [draw_face(which, np.random.default_rng(1)) for which in ("sad", "sadness", LABELS.index("sad"))]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()
