from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_core.classes import ClassList
from fer_core.errors import ImageError, ModelError
from fer_core.explanation.layers import (
    FilterProbe,
    activations,
    convolutions,
    find_convolution,
    last_convolution,
    weights,
)
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.models import build, describe
from tests.factories import make_dataset


def classifier_of(architecture="seed"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = build(architecture)
        for module in model.modules():  # an untrained batch norm is the identity and would hide mistakes
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.weight)
                torch.nn.init.normal_(module.bias)
    return Classifier(model, CheckpointInfo.parse({"architecture": architecture, "labels": ClassList.fer2013().names}))


@pytest.mark.parametrize("architecture", ["seed", "compact"])
def test_activations_are_those_of_every_layer_of_the_table(architecture):
    classifier, face = classifier_of(architecture), make_dataset(train=7).images[4]
    found = activations(classifier, face)
    assert [a.layer for a in found] == describe(classifier.model)
    assert [a.values.shape for a in found] == [a.layer.output for a in found]
    logits = next(a for a in found if a.layer.name == "classifier")
    np.testing.assert_allclose(logits.values, classifier.logits(face)[0], rtol=1e-4, atol=1e-5)
    labels = [a.layer.label for a in found]
    assert len(set(labels)) == len(labels)


def test_a_pooling_used_four_times_is_told_apart():
    found = {a.layer.label: a.values for a in activations(classifier_of(), make_dataset(train=7).images[0])}
    assert [found[name].shape[0] for name in ("pool", "pool (2)", "pool (3)", "pool (4)")] == [32, 64, 128, 128]
    maps = found["block2.2"].reshape(64, 12, 2, 12, 2)
    np.testing.assert_array_equal(found["pool (2)"], maps.max(axis=(2, 4)))


def test_what_is_no_face_is_refused():
    with pytest.raises(ImageError):
        activations(classifier_of(), np.zeros((20, 20), np.uint8))


def test_convolutions_of_other_networks_are_found_by_their_names():
    assert [row.name for row in convolutions(build("seed"))] == ["block1.0", "block2.0", "block3.0", "block4.0"]
    compact = build("compact")
    assert last_convolution(compact).name == "stages.4.conv2"  # not the gates of squeeze-and-excitation behind it
    assert weights(compact, find_convolution(compact, "stem.0")).shape == (32, 1, 3, 3)
    with pytest.raises(ModelError, match=r"no convolutional layer 'block1\.0'.*stem\.0"):
        find_convolution(compact, "block1.0")


def test_the_probe_answers_behind_the_batch_norm_where_one_follows():
    classifier, x = classifier_of(), torch.randn(2, 1, 48, 48)
    probe = FilterProbe(classifier, find_convolution(classifier.model, "block1.0"))
    assert probe.normalized
    torch.testing.assert_close(probe(x), classifier.model.block1[1](classifier.model.block1[0](x)))
    torch.testing.assert_close(probe(x), probe(x))
    compact = classifier_of("compact")
    gate = FilterProbe(compact, find_convolution(compact.model, "stages.4.excite.up"))
    assert not gate.normalized
    assert gate(x).shape == (2, 192, 1, 1)
