from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from fer_core.classes import ClassList
from fer_core.errors import ImageError, ModelError
from fer_core.inference import CheckpointInfo, Classifier, softmax
from fer_core.inference.engines import fold_batch_norm
from fer_core.models import build
from fer_core.preprocess import to_tensor
from tests.factories import make_dataset, untrained_checkpoint


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", temperature=2.0))


def test_logits_are_those_of_the_network_on_preprocessed_faces(classifier):
    faces = make_dataset().images[:10]
    expected = classifier.model(to_tensor(faces, classifier.info.preprocess)).numpy()
    np.testing.assert_allclose(classifier.logits(faces), expected, atol=1e-5)


def test_batching_does_not_change_the_numbers(classifier):
    faces = make_dataset().images[:33]
    np.testing.assert_allclose(classifier.logits(faces, batch_size=8), classifier.logits(faces), atol=1e-5)


def test_probabilities_use_the_temperature_and_sum_to_one(classifier):
    faces = make_dataset().images[:5]
    probabilities = classifier.probabilities(faces)
    np.testing.assert_allclose(probabilities, softmax(classifier.logits(faces), 2.0))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


def test_weights_whose_answers_overflow_are_refused_instead_of_showing_nan(classifier):
    with torch.no_grad():
        classifier.model.classifier.weight.fill_(3e38)
    damaged = Classifier(classifier.model, classifier.info)
    with pytest.raises(ModelError, match="not finite"):
        damaged.probabilities(make_dataset().images[:3])


def test_softmax_by_hand_and_for_large_logits():
    np.testing.assert_allclose(softmax(np.array([[0.0, np.log(3.0)]])), [[0.25, 0.75]], atol=1e-7)
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1.0, 0.0]])


def test_features_feed_the_last_linear_layer(classifier):
    faces = make_dataset().images[:4]
    features = torch.from_numpy(classifier.features(faces))
    assert features.shape == (4, 256)
    np.testing.assert_allclose(classifier.model.classifier(features).numpy(), classifier.logits(faces), atol=1e-5)


def test_a_network_in_training_mode_is_set_to_evaluation_and_keeps_no_gradients():
    classifier = Classifier(
        build("seed").train(), CheckpointInfo(architecture="seed", labels=ClassList.fer2013().names)
    )
    assert not classifier.model.training
    assert not any(p.requires_grad for p in classifier.model.parameters())
    faces = make_dataset().images[:2]
    np.testing.assert_array_equal(classifier.logits(faces), classifier.logits(faces))


@pytest.mark.parametrize("architecture", ["seed", "compact"])
def test_a_loaded_network_has_its_batch_norm_folded_and_answers_alike(architecture):
    loaded = Classifier.load(architecture)
    plain = Classifier(loaded.model, loaded.info)
    faces = make_dataset().images[:40]
    np.testing.assert_allclose(loaded.logits(faces), plain.logits(faces), atol=1e-4)
    folded = fold_batch_norm(loaded.model)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in loaded.model.modules())


class TwoReaders(torch.nn.Module):
    """A convolution that is read twice, and one that stands behind both norms."""

    def __init__(self):
        super().__init__()
        self.conv, self.again = torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 4, 3)
        self.norm1, self.norm2, self.norm3 = (torch.nn.BatchNorm2d(4) for _ in range(3))
        for norm in (self.norm1, self.norm2, self.norm3):
            torch.nn.init.normal_(norm.running_mean)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x):
        y = self.conv(x)
        return self.norm2(self.again(self.norm1(y) + y)) + self.norm3(self.again(y))


def test_what_other_layers_read_too_is_not_folded():
    model = TwoReaders().eval()
    x = torch.randn(2, 1, 12, 12)
    torch.testing.assert_close(fold_batch_norm(model)(x), model(x))


def test_a_network_that_cannot_be_traced_is_used_as_it_is():
    class Asks(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    model = Asks()
    assert fold_batch_norm(model) is model


def test_no_faces_give_no_rows(classifier):
    assert classifier.logits(np.empty((0, 48, 48), np.uint8)).shape == (0, 7)


def test_what_is_no_face_is_refused(classifier):
    with pytest.raises(ImageError, match="uint8"):
        classifier.logits(np.zeros((1, 48, 48)))


def test_threads_share_a_classifier_without_cross_talk(classifier):
    faces = make_dataset().images[:24]
    expected = classifier.logits(faces)
    results: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: classifier.logits(faces)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.allclose(results[i], expected, atol=1e-5) for i in range(4))
