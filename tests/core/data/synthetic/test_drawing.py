from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.synthetic import drawing
from fer_core.data.synthetic.drawing import ActionUnits, draw_face, sample_action_units
from fer_core.errors import DataError

SEVEN = ClassList.fer2013().names


def mean_units(emotion: str) -> dict[str, float]:
    people = [sample_action_units(emotion, np.random.default_rng(i)) for i in range(50)]
    return {name: float(np.mean([getattr(p, name) for p in people])) for name in ActionUnits.__dataclass_fields__}


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
    assert all(mean_units(other)[strong] < mean_units(emotion)[strong] for other in SEVEN if other != emotion)


def test_a_neutral_face_hardly_moves():
    assert max(mean_units("neutral").values()) < 0.1


def drawn_with(**units: float) -> np.ndarray:
    """One upright person's face, 144 pixels wide, with some muscles at work."""
    person = drawing._sample_person(np.random.default_rng(4))
    still = dataclasses.replace(
        person, yaw=0, pitch=0, roll=0, scale=1, shift=(0, 0), glasses=False, skin=120, brow_tone=10
    )
    return drawing._draw(still, ActionUnits(**units), 144).astype(float)


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


@pytest.mark.parametrize("size", [48, 64, 99, 100, 320])
def test_a_face_can_be_drawn_at_any_size(size):
    face = draw_face("happy", np.random.default_rng(0), size)
    assert face.shape == (size, size)
    assert face.dtype == np.uint8


def test_a_larger_drawing_shows_the_same_person():
    small, large = (draw_face("surprise", np.random.default_rng(3), size).astype(float) for size in (48, 480))
    reduced = cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), reduced.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(("emotion", "size"), [("hapy", 48), (7, 48), (-1, 48), ("happy", 47), ("happy", 5000)])
def test_impossible_drawings_are_refused(emotion, size):
    with pytest.raises(DataError):
        draw_face(emotion, np.random.default_rng(0), size)


def test_names_and_numbers_of_emotions_mean_the_same():
    drawn = [draw_face(which, np.random.default_rng(1)) for which in ("sad", "sadness", SEVEN.index("sad"))]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()
