from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fer_core.evaluation.cache import cached_predictions, nearest_training_faces, training_features
from fer_core.inference import Classifier, read_info, update_info
from fer_core.workspace import Workspace
from tests.factories import entries, make_dataset, untrained_checkpoint


@pytest.fixture
def model(tmp_path):
    return untrained_checkpoint(tmp_path / "m.safetensors")


def calls_of(function, *args) -> int:
    seen: list[tuple[int, int]] = []
    function(*args, workspace=Workspace.default(), on_progress=lambda *p: seen.append(p))
    return len(seen)


def test_a_second_look_computes_nothing(model, workspace):
    dataset = make_dataset()
    assert calls_of(cached_predictions, model, dataset, "test") > 0
    assert calls_of(cached_predictions, model, dataset, "test") == 0
    assert calls_of(training_features, model, dataset) > 0
    assert calls_of(training_features, model, dataset) == 0


def test_other_weights_data_or_split_are_never_answered_from_the_cache(model, tmp_path, workspace):
    dataset = make_dataset()
    first = cached_predictions(model, dataset, "test", workspace=workspace)
    untrained_checkpoint(model, seed=1)
    second = cached_predictions(model, dataset, "test", workspace=workspace)
    assert not np.array_equal(first.logits, second.logits)
    assert calls_of(cached_predictions, model, make_dataset(seed=2), "test") > 0
    assert calls_of(cached_predictions, model, dataset, "valid") > 0
    assert calls_of(cached_predictions, model, dataset, "test", "flip") > 0


def test_a_damaged_cache_is_computed_anew(model, workspace):
    dataset = make_dataset()
    expected = cached_predictions(model, dataset, "test", workspace=workspace)
    features = training_features(model, dataset, workspace=workspace)
    for path in (*entries(workspace, "predictions"), *entries(workspace, "features")):
        path.write_bytes(path.read_bytes()[:200])
    np.testing.assert_array_equal(
        cached_predictions(model, dataset, "test", workspace=workspace).logits, expected.logits
    )
    np.testing.assert_array_equal(training_features(model, dataset, workspace=workspace), features)


def test_the_nearest_training_face_to_a_training_face_is_itself(model, workspace):
    dataset = make_dataset()
    features = training_features(model, dataset, workspace=workspace)
    found = nearest_training_faces(Classifier.load(model), dataset.images[5], dataset, features, count=3)
    assert found.positions[0] == 5
    assert found.similarity[0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(found.similarity) <= 0).all()
    plain = [float(features[i] @ features[5]) for i in range(len(features))]
    assert found.similarity[1] == pytest.approx(sorted(plain)[-2], abs=1e-5)


def test_a_new_temperature_is_stored_with_the_model_and_leaves_the_weights(model):
    before = Classifier.load(model).logits(make_dataset().images)
    update_info(model, temperature=2.5, abstain_below=0.4)
    assert read_info(model).temperature == 2.5
    np.testing.assert_array_equal(Classifier.load(model).logits(make_dataset().images), before)


def test_positions_point_into_the_data_set_even_when_train_does_not_come_first(model, workspace):
    base = make_dataset()
    dataset = replace(base, split=base.split[::-1].copy(), fingerprint="")
    features = training_features(model, dataset, workspace=workspace)
    face = dataset.indices("train")[7]
    found = nearest_training_faces(Classifier.load(model), dataset.images[face], dataset, features, count=1)
    assert found.positions[0] == face
