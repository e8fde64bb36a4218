"""The own last layer: what it may learn from, and its figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_core.inference import softmax
from fer_core.models import gate as network_gate
from fer_core.teach import head
from fer_core.teach.features import BUDGET, make_views, plan
from fer_core.teach.head import Gate, Sample
from tests.teach_factory import draw_take


def planted(
    shift: float = 4.0, takes: int = 4, faces: int = 12, classes: int = 3, size: int = 20, views: int = 2
) -> Sample:
    """Takes with a large shift each (light and place) and a small class signal, so that frames of one take are alike."""
    rng = np.random.default_rng(5)
    features, labels, numbers = [], [], []
    for label in range(classes):
        for _ in range(takes):
            place = shift * rng.standard_normal(size)
            place[:classes] = 0.6 * rng.standard_normal(classes)
            place[label] += 1.5
            take = place + 0.2 * rng.standard_normal((faces, views, size))
            features.append(take)
            labels += [label] * faces
            numbers += [len(features) - 1] * faces
    return Sample(np.concatenate(features).astype(np.float32), np.array(labels), np.array(numbers), classes)


def nothing() -> None:
    return None


def everything(sample: Sample) -> np.ndarray:
    return np.ones(len(sample.labels), bool)


def test_random_frames_promise_more_than_takes_that_were_left_out():
    sample = planted()
    out = head.leave_one_take_out(sample, nothing)
    left_out = head.share_right(sample.labels, out.logits.argmax(axis=1), sample.takes).mean()
    random = head.share_right(sample.labels, head.random_frames(sample, 0.3, nothing), sample.takes).mean()
    assert random > 0.98
    assert left_out < 0.85
    assert left_out > 0.4


def test_both_agree_where_takes_are_alike():
    sample = planted(shift=0.05)
    out = head.leave_one_take_out(sample, nothing)
    left_out = head.share_right(sample.labels, out.logits.argmax(axis=1), sample.takes).mean()
    random = head.share_right(sample.labels, head.random_frames(sample, 0.3, nothing), sample.takes).mean()
    assert abs(left_out - random) < 0.1


def test_nothing_of_a_take_helps_to_predict_it():
    """Neither its labels, nor its faces or their changed views, nor its part in the choice of the strength."""
    sample = planted()
    before = head.leave_one_take_out(sample, nothing)
    take = sample.takes == 5
    features = sample.features.copy()
    features[take, 1:] = 1e3  # its changed views
    changed = Sample(features, sample.labels, sample.takes, sample.classes)
    after = head.leave_one_take_out(changed, nothing)
    np.testing.assert_array_equal(before.logits[take], after.logits[take])
    np.testing.assert_array_equal(before.distances[take], after.distances[take])
    assert not np.array_equal(before.logits[~take], after.logits[~take])


def test_test_faces_are_unchanged_views(monkeypatch):
    sample = planted()
    seen: list[np.ndarray] = []
    original = head.Head.logits

    def watch(self: head.Head, features: np.ndarray) -> np.ndarray:
        seen.append(features)
        return original(self, features)

    monkeypatch.setattr(head.Head, "logits", watch)
    head.leave_one_take_out(sample, nothing)
    head.random_frames(sample, 0.3, nothing)
    known = {row.tobytes() for row in sample.features[:, 0]}
    assert {row.tobytes() for part in seen for row in part} == known


def test_a_class_with_one_take_has_no_fold():
    sample = planted(takes=2)
    one = Sample(sample.features[:60], sample.labels[:60], sample.takes[:60], 3)  # the last class has one take
    out = head.leave_one_take_out(one, nothing)
    np.testing.assert_array_equal(out.faces, one.labels < 2)
    assert out.logits.shape == (60, 3)


def test_of_many_takes_an_even_part_is_left_out(monkeypatch):
    monkeypatch.setattr(head, "MAX_LEFT_OUT", 4)
    sample = planted(takes=3, faces=2)
    out = head.leave_one_take_out(sample, nothing)
    assert set(sample.takes[out.faces].tolist()) == {0, 3, 5, 8}


def test_without_any_fold_there_is_nothing_to_choose_or_calibrate_by():
    sample = planted(takes=1)
    out = head.leave_one_take_out(sample, nothing)
    assert not out.faces.any()
    assert head.choose_strength(sample, everything(sample), nothing) == head.DEFAULT_STRENGTH
    calibration = head.calibrate(sample, out)
    assert (calibration.gate.radius, calibration.temperature, calibration.abstain_below) == (None, 1.0, 0.0)


def test_standardization_is_folded_into_the_weights():
    sample = planted()
    found = head.fit(sample, everything(sample), 0.3)
    scaled = Sample(sample.features * 7 + 3, sample.labels, sample.takes, sample.classes)
    other = head.fit(scaled, everything(scaled), 0.3)
    np.testing.assert_allclose(
        softmax(found.logits(sample.features[:, 0])), softmax(other.logits(scaled.features[:, 0])), atol=2e-3
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_the_fit_is_scikit_learns_logistic_regression(classes):
    from sklearn.linear_model import LogisticRegression

    sample = planted(classes=classes, takes=3, views=1)
    x = sample.features[:, 0].astype(np.float64)
    deviation = x.std(axis=0)
    deviation += 0.05 * np.median(deviation) + 1e-6
    weights = np.full(len(x), classes / len(x))
    model = LogisticRegression(C=0.3, max_iter=1000).fit((x - x.mean(axis=0)) / deviation, sample.labels, weights)
    wanted = model.predict_proba((x - x.mean(axis=0)) / deviation)
    np.testing.assert_allclose(softmax(head.fit(sample, everything(sample), 0.3).logits(x)), wanted, atol=2e-3)


def test_classes_and_takes_count_equally_whatever_was_recorded():
    labels = np.array([0] * 10 + [0] * 2 + [1] * 4)
    takes = np.array([0] * 10 + [1] * 2 + [2] * 4)
    weights = head._weights(labels, takes)
    np.testing.assert_allclose([weights[takes == take].sum() for take in range(3)], [0.5, 0.5, 1.0])


def test_the_interval_resamples_takes_not_faces():
    low, high = head.bootstrap_interval(np.array([1.0, 1.0, 1.0, 0.0]))
    assert low <= 0.25
    assert high == 1.0
    assert head.bootstrap_interval(np.array([0.7])) == (0.7, 0.7)


def test_at_most_a_tenth_of_known_faces_are_below_the_threshold():
    sample = planted(shift=0.5)
    out = head.leave_one_take_out(sample, nothing)
    found = head.calibrate(sample, out)
    top = softmax(found.gate.scaled(out.logits, out.distances), found.temperature).max(axis=1)
    assert 0 < np.mean(top < found.abstain_below) <= 0.1
    assert found.temperature >= head.MIN_TEMPERATURE


def test_the_gate_changes_no_prediction_and_makes_far_faces_uncertain():
    gate = Gate(np.zeros((2, 3)), 2.0)
    logits = np.array([[4.0, -4.0]] * 3)
    distances = gate.distances(np.array([[0.1, 0, 0], [2.0, 0, 0], [9.0, 0, 0]]))
    scaled = gate.scaled(logits, distances)
    assert (scaled.argmax(axis=1) == 0).all()
    np.testing.assert_allclose(scaled[:, 0], [4.0, 2.0, 0.0], atol=1e-3)


def test_the_networks_gate_computes_the_same():
    rng = np.random.default_rng(0)
    means, features, logits = (
        rng.standard_normal((3, 8)),
        3 * rng.standard_normal((20, 8)),
        rng.standard_normal((20, 3)),
    )
    gate = Gate(means, 4.0)
    module = network_gate.DistanceGate(3, 8)
    module.load_state_dict({"means": torch.tensor(means), "radius": torch.tensor(4.0)})
    found = module(torch.tensor(features), torch.tensor(logits)).numpy()
    np.testing.assert_allclose(found, gate.scaled(logits, gate.distances(features)), atol=1e-5)
    assert network_gate.STEEPNESS == head.GATE_STEEPNESS


def test_views_begin_with_the_face_and_are_the_same_every_time():
    faces = draw_take("happy", 0, 4)
    views = make_views(faces, 3)
    assert views.shape == (4, 3, 48, 48)
    np.testing.assert_array_equal(views[:, 0], faces)
    np.testing.assert_array_equal(views, make_views(faces, 3))
    assert all(not np.array_equal(views[0, 0], views[0, view]) for view in (1, 2))


@pytest.mark.parametrize(
    ("sizes", "views", "used"),
    [
        ([40] * 9, 3, [40] * 9),
        ([200, 200, 200], 2, [200, 200, 200]),
        ([200] * 25, 2, [26] * 25),
        ([200] * 10 + [5], 2, [64] * 10 + [5]),
    ],
)
def test_the_number_of_views_is_bounded_and_long_takes_are_thinned(sizes, views, used):
    """5,000 frames in 25 takes train as fast as 650."""
    positions, found = plan([np.zeros((n, 48, 48), np.uint8) for n in sizes])
    assert (found, [len(own) for own in positions]) == (views, used)
    assert sum(used) * views <= BUDGET
    assert all(own[0] == 0 and own[-1] == n - 1 for own, n in zip(positions, sizes, strict=True))
