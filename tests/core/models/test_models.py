from __future__ import annotations

import pytest
import torch

from fer_core.errors import ModelError
from fer_core.models import architectures, build, count_macs, count_parameters, describe, output_side
from fer_core.models.registry import register


def test_seed_has_the_parameters_and_shapes_of_the_report():
    model = build("seed")
    assert count_parameters(model) == 538_439
    shapes = [row.output for row in describe(model) if row.kind in ("MaxPool2d", "Linear")]
    assert shapes == [(32, 24, 24), (64, 12, 12), (128, 6, 6), (128, 3, 3), (256,), (7,)]
    assert count_macs(model) == 28_681_984


def test_compact_stays_within_its_budget():
    model = build("compact")
    assert count_parameters(model) <= 3_000_000
    assert count_macs(model) <= 120_000_000


@pytest.mark.parametrize("name", ["seed", "compact"])
def test_forward_is_head_of_features_and_the_last_map_comes_before_the_last_pool(name):
    model, x = build(name).eval(), torch.randn(3, 1, 48, 48)
    maps = model.features(x)
    assert maps.shape[0] == 3
    assert maps.shape[2:] == (6, 6)
    assert torch.equal(model.head(maps), model(x))
    assert model.embedding(maps).shape == (3, model.classifier.in_features)


def test_an_unknown_architecture_is_refused_with_the_list():
    with pytest.raises(ModelError, match=r"'vgg'.*compact.*seed"):
        build("vgg")


def test_unknown_arguments_are_refused_with_those_it_takes():
    with pytest.raises(ModelError, match="dropout"):
        build("seed", depth=3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"widths": [10**6, 10**6], "blocks": [1, 1]}, "at most 100,000,000 are allowed"),
        ({"classes": 10**9}, "at most 100,000,000 are allowed"),
        ({"stem": 10**12}, "at most 100,000,000 are allowed"),
        ({"blocks": [10**9, 1, 1]}, "at most 200 are allowed"),
    ],
)
def test_a_network_of_any_size_that_somebody_asks_for_is_not_allocated(arguments, words):
    with pytest.raises(ModelError, match=words):
        build("compact", **arguments)


def test_checking_the_size_changes_no_weight():
    built = []
    for arguments in ({}, {"dropout": 0.2}):  # the size is checked only with arguments
        torch.manual_seed(0)
        built.append(build("compact", **arguments).state_dict())
    assert all(torch.equal(built[0][name], built[1][name]) for name in built[0])


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="already registered"):

        @register("seed")
        class Other(torch.nn.Module):
            pass

    assert "seed" in architectures()


def test_describing_a_network_leaves_it_as_it_was():
    model = build("seed").train()
    describe(model)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding", "out"),
    [(48, 5, 1, 2, 48), (48, 2, 2, 0, 24), (7, 3, 2, 0, 3), (5, 5, 1, 0, 1)],
)
def test_output_side_agrees_with_torch(side, kernel, stride, padding, out):
    assert output_side(side, kernel, stride, padding) == out
    assert torch.nn.Conv2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, side, side)).shape[-1] == out


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"), [(3, 5, 1, 0), (3, 1, 0, 0), (0, 1, 1, 0), (3, 3, 1, -1)]
)
def test_impossible_sizes_are_answered_in_a_sentence(side, kernel, stride, padding):
    with pytest.raises(ModelError):
        output_side(side, kernel, stride, padding)
