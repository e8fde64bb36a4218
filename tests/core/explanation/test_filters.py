from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fer_core.classes import ClassList
from fer_core.errors import DataError, FerError, ModelError
from fer_core.explanation import filters
from fer_core.explanation.filter_cache import cached_patterns, cached_top_faces, network_key
from fer_core.explanation.filters import AscentSettings, gaussian_blur, maximize_activation, top_faces
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.models import ExpressionModel
from fer_core.workspace import Workspace
from tests.core.explanation.test_layers import classifier_of
from tests.factories import entries, make_dataset

PLAIN = AscentSettings(steps=12, rate=0.08, jitter=0, blur=(0, 0), fade=0, smoothness=0)
QUICK = AscentSettings(steps=3)

SEVEN = ClassList.fer2013().names


def gabor(angle: float) -> np.ndarray:
    """Waves under a bell, 9×9, mean 0."""
    y, x = np.mgrid[-4:5, -4:5].astype(float)
    wave = np.sin(0.9 * (x * np.cos(angle) + y * np.sin(angle))) * np.exp(-(x**2 + y**2) / 10)
    return wave - wave.mean()


class OneLayer(ExpressionModel):
    """Four filters: two waves, one of zeros, and a wave that the batch norm behind it turns over."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 9, padding=4)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4, 7)
        with torch.no_grad():
            self.conv.bias.fill_(0.25)
            for number, kernel in enumerate((gabor(0.3), gabor(1.4), np.zeros((9, 9)), gabor(0.3))):
                self.conv.weight[number, 0] = torch.from_numpy(kernel)
            self.norm.weight.copy_(torch.tensor([1.0, 2.0, 1.0, -1.0]))

    def features(self, x):
        return self.norm(self.conv(x))

    def embedding(self, maps):
        return self.pool(maps).flatten(1)


@pytest.fixture
def one_layer():
    return Classifier(OneLayer(), CheckpointInfo.parse({"architecture": "seed", "labels": SEVEN}))


def likeness(patterns, place, kernel):
    """Cosine of the pattern's pixels around the middle and a kernel."""
    seen = patterns.images[place].astype(float)[20:29, 20:29] - 255 * 0.5077
    return float((seen * kernel).sum() / np.linalg.norm(seen) / np.linalg.norm(kernel))


def test_the_best_pattern_of_a_linear_filter_is_its_own_weights(one_layer):
    # of all pictures of one norm, w · x is largest for x along w (Cauchy-Schwarz)
    found = maximize_activation(one_layer, "conv", settings=PLAIN)
    assert likeness(found, 0, gabor(0.3)) > 0.98
    assert likeness(found, 1, gabor(1.4)) > 0.98
    assert likeness(found, 3, -gabor(0.3)) > 0.98  # behind the batch norm's -1, less is more


def test_jitter_blur_and_fading_keep_the_pattern(one_layer):
    found = maximize_activation(one_layer)
    assert likeness(found, 0, gabor(0.3)) > 0.6
    assert likeness(found, 1, gabor(1.4)) > 0.6
    assert abs(likeness(found, 0, gabor(1.4))) < 0.4


def test_the_response_climbs_and_is_that_of_the_finished_picture(one_layer):
    found = maximize_activation(one_layer, filters=[1, 0], settings=PLAIN)
    assert found.filters.tolist() == [1, 0]
    assert (np.diff(found.curves, axis=1) > 0).all()
    x = torch.from_numpy(found.images).float()[:, None] / 255
    maps = one_layer.model.features((x - 0.5077) / 0.2551)
    np.testing.assert_allclose(found.responses, [maps[0, 1].max(), maps[1, 0].max()], rtol=1e-4)


def test_a_dead_filter_is_told_of_in_words_and_crossed_out(one_layer):
    found = maximize_activation(one_layer, settings=PLAIN)
    assert found.dead.tolist() == [False, False, True, False]
    assert "Filter 2 of conv is dead" in str(found.note(2))
    assert found.note(0) is None
    assert found.sentence() == "4 filters of conv, 1 is dead."
    alive = found.sheet()
    assert not np.array_equal(alive, replace(found, dead=np.zeros(4, bool)).sheet())


def test_what_the_filter_cannot_see_is_cropped(one_layer):
    assert maximize_activation(one_layer, settings=PLAIN).field == (20, 20, 29, 29)
    jittered = replace(PLAIN, jitter=2)
    assert maximize_activation(one_layer, settings=jittered).cropped().shape == (4, 13, 13)


def test_the_same_seed_gives_the_same_picture_whatever_the_company():
    classifier = classifier_of()
    alone, again = (maximize_activation(classifier, "block2.0", [5], QUICK) for _ in range(2))
    np.testing.assert_array_equal(alone.images, again.images)
    together = maximize_activation(classifier, "block2.0", [1, 5], QUICK)
    assert np.abs(together.images[1].astype(int) - alone.images[0]).mean() < 2  # sums in another order
    other = maximize_activation(classifier, "block2.0", [5], replace(QUICK, seed=1))
    assert not np.array_equal(alone.images, other.images)


def test_more_filters_than_fit_into_one_batch_are_done_in_several(monkeypatch, one_layer):
    whole = maximize_activation(one_layer, settings=PLAIN)
    monkeypatch.setattr(filters, "_TOGETHER", 3)
    steps, looks = [], []
    parts = maximize_activation(
        one_layer, settings=PLAIN, on_progress=lambda *a: steps.append(a), on_preview=looks.append
    )
    np.testing.assert_array_equal(parts.images, whole.images)
    assert steps[-1] == (24, 24)
    assert [len(look) for look in looks] == [3, 3, 4, 4]


@pytest.mark.parametrize("numbers", [[128], [-1], []])
def test_filters_that_do_not_exist_are_refused(numbers):
    with pytest.raises(ModelError, match="0…127"):
        maximize_activation(classifier_of(), "block4.0", numbers, QUICK)


class Trip(Exception):
    """Raised inside the work."""


def raise_trip(*_, **__):
    raise Trip


def state_of(model):
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules())
    return hooks, [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]


@pytest.mark.parametrize(
    "work",
    [
        lambda c, d: maximize_activation(c, settings=QUICK, on_progress=raise_trip),
        lambda c, d: maximize_activation(c, settings=QUICK, on_preview=raise_trip),
        lambda c, d: top_faces(c, d, on_progress=raise_trip),
    ],
)
def test_an_error_inside_leaves_the_shared_network_as_it_was(work):
    classifier = classifier_of()
    classifier.model.train()
    classifier.model.block2.eval()
    classifier.model.fc.requires_grad_(True)
    before = state_of(classifier.model)
    weights = {name: value.clone() for name, value in classifier.model.state_dict().items()}
    with pytest.raises(Trip):
        work(classifier, make_dataset())
    assert state_of(classifier.model) == before
    assert all(torch.equal(value, weights[name]) for name, value in classifier.model.state_dict().items())


def test_both_searches_can_be_stopped():
    with pytest.raises(FerError, match="stopped"):
        maximize_activation(classifier_of(), settings=QUICK, should_stop=lambda: True)
    with pytest.raises(FerError, match="stopped"):
        top_faces(classifier_of(), make_dataset(), should_stop=lambda: True)


def test_the_top_faces_are_those_of_a_slow_plain_search(monkeypatch):
    classifier, dataset = classifier_of(), make_dataset(valid=40)
    monkeypatch.setattr(filters, "_BATCH", 16)
    seen = []
    found = top_faces(classifier, dataset, "valid", "block3.0", on_progress=lambda *a: seen.append(a))
    assert seen == [(16, 40), (32, 40), (40, 40)]
    model, rows = classifier.model, []
    with torch.inference_mode():
        for index in dataset.indices("valid"):
            x = (torch.from_numpy(dataset.images[index].copy())[None, None] / 255 - 0.5077) / 0.2551
            x = model.pool(model.block2(model.pool(model.block1(x))))
            rows.append(model.block3[1](model.block3[0](x))[0])
    maps = torch.stack(rows)  # (40, 128, 12, 12)
    for number in (0, 17, 127):
        peaks = [(-float(maps[i, number].max()), int(index)) for i, index in enumerate(dataset.indices("valid"))]
        best = sorted(peaks)[:9]
        assert found.positions[number].tolist() == [index for _, index in best]
        np.testing.assert_allclose(found.responses[number], [-peak for peak, _ in best], rtol=1e-4, atol=1e-5)
        assert found.lowest[number] == pytest.approx(-max(peaks)[0], rel=1e-4, abs=1e-5)
        face = best[0][1] - dataset.indices("valid")[0]
        row, column = divmod(int(maps[face, number].argmax()), 12)
        assert found.places[number, 0].tolist() == [row, column]
        assert found.spot(number, 0) == ((column + 0.5) / 12, (row + 0.5) / 12)


def test_a_filter_without_an_opinion_is_called_dead_and_shows_the_first_faces(one_layer):
    dataset = make_dataset(valid=12)
    found = top_faces(one_layer, dataset)
    assert found.positions[2].tolist() == dataset.indices("valid")[:9].tolist()
    assert "dead: its response is 0.25 on all 12 faces" in str(found.note(2))
    assert found.note(0) is None


def test_a_filter_that_stays_below_zero_is_told_of(one_layer):
    with torch.no_grad():
        one_layer.model.norm.bias[0] = -1000
    assert "is inactive on these 70 faces" in str(top_faces(one_layer, make_dataset()).note(0))


def test_few_faces_give_few_and_none_are_refused(one_layer):
    assert top_faces(one_layer, make_dataset(valid=4)).positions.shape == (4, 4)
    with pytest.raises(DataError, match="no faces in its valid"):
        top_faces(one_layer, make_dataset(valid=0))


def test_results_are_kept_by_weights_and_data(monkeypatch, one_layer):
    dataset = make_dataset()
    pictures = cached_patterns(one_layer, settings=PLAIN, workspace=Workspace.default()).images
    faces = cached_top_faces(one_layer, dataset, workspace=Workspace.default())
    with monkeypatch.context() as patch:
        patch.setattr(filters, "maximize_activation", raise_trip)
        patch.setattr(filters, "top_faces", raise_trip)
        kept = cached_patterns(one_layer, "conv", PLAIN, workspace=Workspace.default())
        np.testing.assert_array_equal(kept.images, pictures)
        assert kept.field == (20, 20, 29, 29)
        again = cached_top_faces(one_layer, dataset, workspace=Workspace.default())
        np.testing.assert_array_equal(again.positions, faces.positions)
        assert (again.n, again.side, again.layer) == (70, (48, 48), "conv")
        for other in (make_dataset(seed=1), replace(dataset, split=dataset.split[::-1].copy(), fingerprint="")):
            with pytest.raises(Trip):
                cached_top_faces(one_layer, other, workspace=Workspace.default())
        with pytest.raises(Trip):
            cached_patterns(one_layer, settings=replace(PLAIN, steps=13), workspace=Workspace.default())
        with torch.no_grad():
            one_layer.model.conv.bias[0] += 1
        with pytest.raises(Trip):
            cached_patterns(one_layer, settings=PLAIN, workspace=Workspace.default())


def test_a_damaged_cache_is_computed_anew(one_layer, workspace):
    first = cached_patterns(one_layer, settings=PLAIN, workspace=workspace)
    (file,) = entries(workspace, "patterns")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    np.testing.assert_array_equal(cached_patterns(one_layer, settings=PLAIN, workspace=workspace).images, first.images)
    assert file.read_bytes() == whole


def test_the_key_follows_weights_and_preprocessing():
    a = classifier_of()
    assert network_key(a) == network_key(classifier_of())
    info = CheckpointInfo.parse({"architecture": "seed", "labels": SEVEN, "preprocess": {"mean": 0.4}})
    assert network_key(Classifier(a.model, info)) != network_key(a)


def test_the_blur_is_a_gaussian_that_keeps_the_sum():
    point = torch.zeros(1, 1, 21, 21)
    point[0, 0, 10, 10] = 1
    blurred = gaussian_blur(point, 1.5)
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    places = torch.arange(21) - 10.0
    assert float((blurred[0, 0].sum(0) * places**2).sum()) == pytest.approx(1.5**2, rel=0.05)
    assert gaussian_blur(point, 0) is point
