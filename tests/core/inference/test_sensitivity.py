from __future__ import annotations

import math

import numpy as np
import pytest

from fer_core.config import LiveConfig
from fer_core.errors import CheckpointError, ConfigError
from fer_core.evaluation.cache import cached_outputs, cached_predictions
from fer_core.evaluation.report import evaluate_split
from fer_core.inference import CheckpointInfo, Classifier, softmax
from fer_core.inference.sensitivity import store_calibration
from fer_core.live import LiveProcessor
from tests.core.live.test_live import FakeDetector, face
from tests.factories import make_dataset, untrained_checkpoint

PRIOR = (0.1, 0.0, 0.05, 0.3, 0.15, 0.1, 0.3)
POINTS = [
    {"sensitivity": 0, "temperature": 1.0, "abstain_below": 0.2},
    {"sensitivity": 0.5, "temperature": 2.0, "abstain_below": 0.3},
    {"sensitivity": 1, "temperature": 1.5, "abstain_below": 0.7},
]


@pytest.fixture
def path(tmp_path):
    return untrained_checkpoint(tmp_path / "m.safetensors", prior=PRIOR, calibration=POINTS)


def test_probabilities_follow_the_formula(path):
    faces = make_dataset().images[:5]
    plain = Classifier.load(path)
    sensitive = Classifier.load(path, sensitivity=0.8)
    assert np.array_equal(sensitive.logits(faces), plain.logits(faces))
    shifted = plain.logits(faces) - 0.8 * np.log(np.array(PRIOR) + 0.005)
    temperature = 2.0 + 0.6 * (1.5 - 2.0)
    np.testing.assert_allclose(sensitive.probabilities(faces), softmax(shifted, temperature), atol=1e-6)
    assert sensitive.temperature == pytest.approx(temperature)
    assert sensitive.abstain_below == pytest.approx(0.54)
    assert (plain.sensitivity, plain.temperature, plain.abstain_below) == (0.0, 1.0, 0.2)


def test_the_lift_of_a_class_that_was_never_seen_is_bounded(path):
    shift = Classifier.load(path, sensitivity=1.0).shift
    assert shift[1] == pytest.approx(math.log(0.005))
    assert np.isfinite(shift).all()


def test_a_second_sensitivity_loads_nothing_again(path):
    first = Classifier.load(path)
    second = first.with_sensitivity(0.5)
    assert second.model is first.model
    assert (first.sensitivity, second.sensitivity) == (0.0, 0.5)
    assert second.with_sensitivity(None).sensitivity == 0.0


def test_the_model_says_what_is_used_where_nothing_is_asked_for(tmp_path):
    path = untrained_checkpoint(tmp_path / "m.safetensors", prior=PRIOR, sensitivity=0.4)
    assert Classifier.load(path).sensitivity == 0.4
    assert Classifier.load(path, sensitivity=0.0).sensitivity == 0.0


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_sensitivity_outside_its_bounds_is_refused(path, value):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Classifier.load(path, sensitivity=value)


def test_a_model_without_a_prior_has_none(tmp_path):
    path = untrained_checkpoint(tmp_path / "m.safetensors")
    assert not Classifier.load(path).has_sensitivity
    assert Classifier.load(path, sensitivity=0.0).sensitivity == 0.0
    with pytest.raises(ConfigError, match="does not record how frequent"):
        Classifier.load(path, sensitivity=0.3)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"prior": [0.5, 0.5]}, "2 shares for 7 classes"),
        ({"prior": [0.5] * 7}, "sum to 1"),
        ({"prior": [-0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.2]}, "non-negative"),
        ({"sensitivity": 0.5}, "requires the prior"),
        ({"prior": PRIOR, "calibration": POINTS[::-1]}, "must be in ascending order"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(record, message):
    with pytest.raises((ConfigError, CheckpointError), match=message):
        CheckpointInfo.parse({"architecture": "seed", "labels": [f"class {i}" for i in range(7)], **record})


def test_figures_follow_the_sensitivity_and_the_network_is_asked_once(path, workspace, monkeypatch):
    dataset = make_dataset()
    plain = cached_predictions(path, dataset, "test", workspace=workspace)
    monkeypatch.setattr(Classifier, "logits", lambda *_, **__: pytest.fail("asked again"))
    shifted = cached_predictions(path, dataset, "test", sensitivity=1.0, workspace=workspace)
    np.testing.assert_allclose(plain.logits - shifted.logits, np.log(np.array(PRIOR) + 0.005)[None] + 0 * plain.logits, atol=1e-5)  # fmt: skip
    monkeypatch.undo()
    report = evaluate_split(Classifier.load(path, sensitivity=1.0), dataset, "test", workspace=workspace)
    assert np.array_equal(report.predictions.logits, shifted.logits)
    assert report.to_dict()["sensitivity"] == 1.0
    assert (report.predictions.temperature, report.abstain_below) == (1.5, 0.7)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        cached_outputs(path, dataset, "test", sensitivity=2.0, workspace=workspace)


def test_live_the_next_frame_has_the_new_sensitivity_and_the_face_its_number(path):
    classifier = Classifier.load(path)
    live = LiveProcessor(classifier, FakeDetector([face(20, 30)]), LiveConfig(mirror=False, smoothing=2.0))
    frame = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    first = live.process(frame, 0.0).faces[0]
    assert not live.use(classifier.with_sensitivity(1.0))
    second = live.process(frame, 0.1).faces[0]
    assert second.number == first.number
    expected = classifier.with_sensitivity(1.0).probabilities(second.crop)[0]
    np.testing.assert_allclose(second.probabilities, expected, atol=1e-5)
    assert np.abs(second.probabilities - first.probabilities).max() > 0.05


def test_what_is_fitted_at_a_sensitivity_holds_there(path, tmp_path):
    store_calibration(path, 0.25, temperature=4.0)
    store_calibration(path, 0.5, abstain_below=0.9)
    at = {tau: Classifier.load(path, sensitivity=tau) for tau in (0.0, 0.25, 0.5, 1.0)}
    assert [at[tau].temperature for tau in at] == [1.0, 4.0, 2.0, 1.5]
    assert [at[tau].abstain_below for tau in at] == pytest.approx([0.2, 0.25, 0.9, 0.7])
    plain = untrained_checkpoint(tmp_path / "plain.safetensors", temperature=2.0, abstain_below=0.1)
    info = store_calibration(plain, 0.0, abstain_below=0.6)
    assert (info.temperature, info.abstain_below, info.calibration) == (2.0, 0.6, ())
