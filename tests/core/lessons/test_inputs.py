from __future__ import annotations

import numpy as np
import pytest
import torch

from fer_core.classes import ClassList
from fer_core.errors import FerError, ModelError
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.lessons.formulas import FORMULAS, TOPICS, check, check_report
from fer_core.lessons.inputs import complete_inputs, editable_inputs, inputs_from_network
from fer_core.models import build
from tests.factories import make_dataset

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def classifiers() -> dict[str, Classifier]:
    torch.manual_seed(0)
    return {
        name: Classifier(
            build(name), CheckpointInfo(architecture=name, labels=ClassList.fer2013().names, temperature=1.3)
        )
        for name in ("seed", "compact")
    }


def inputs_of(name: str, classifier: Classifier):
    dataset = make_dataset()
    return inputs_from_network(FORMULAS[name], classifier, dataset.images, dataset.labels, index=3)


NOT_THERE = {("seed", "gradcam"), ("compact", "leaky_relu")}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("architecture", ["seed", "compact"])
def test_every_formula_holds_for_the_numbers_of_a_network_at_work(architecture, name, classifiers):
    if (architecture, name) in NOT_THERE:
        with pytest.raises(FerError, match=f"'{architecture}' has"):
            inputs_of(name, classifiers[architecture])
    else:
        result = check(FORMULAS[name], inputs=inputs_of(name, classifiers[architecture]))
        assert result.passed, result


def test_the_numbers_are_the_networks_own(classifiers):
    classifier, dataset = classifiers["seed"], make_dataset()
    found = inputs_of("temperature", classifier)
    np.testing.assert_allclose(found["z"], classifier.logits(dataset.images[3])[0], atol=1e-6)
    assert found["y"].argmax() == dataset.labels[3]
    assert found["T"] == 1.3
    norm = next(m for m in classifier.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    hook = norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    classifier.logits(dataset.images[3])
    hook.remove()
    assert np.isin(np.round(inputs_of("bn_d_x", classifier)["x"], 4), np.round(seen[0].numpy().astype(float), 4)).all()
    sizes = inputs_of("conv_size", classifier)["sizes"]
    assert sizes.tolist() == [[48, 5, 1, 2], [24, 3, 1, 1], [12, 3, 1, 1], [6, 3, 1, 1]]


def test_nothing_is_left_on_the_shared_network(classifiers):
    model = classifiers["seed"].model
    inputs_of("bn_d_x", classifiers["seed"])
    inputs_of("adamw", classifiers["seed"])
    assert not any(module._forward_hooks for module in model.modules())
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert next(model.parameters()).dtype == torch.float32


def test_what_follows_from_other_numbers_is_worked_out_not_typed_in():
    formula = FORMULAS["bn_d_x"]
    assert set(editable_inputs(formula)) == {"x", "y", "gamma", "beta"}
    mine = complete_inputs(formula, {"x": [1, 3], "y": [0, 0], "gamma": 2, "beta": 0})
    assert (mine["mu"], mine["var"]) == (2, 1)
    assert check(formula, inputs=mine).passed
    found = check_report(formula)
    assert found is not None
    assert not found.passed


def drawn(name: str, **changes):
    formula = FORMULAS[name]
    return formula, {**formula.inputs(np.random.default_rng(0)), **changes}


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("bn_d_x", {"x": [1.0, np.nan]}, "x must have a finite number"),
        ("temperature", {"T": 0.0}, "T must be between"),
        ("dropout", {"p": 1.0}, "p must be between 0 and 0.9, not 1"),
        ("softmax_cross_entropy", {"y": [1.0, 1, 0, 0, 0, 0, 0]}, "one-hot"),
        ("conv_size", {"sizes": [[3, 5, 1, 0]]}, "does not fit"),
        ("conv_size", {"sizes": [[5, 3, 0, 0]]}, "stride must be at least 1"),
        ("conv_size", {"sizes": [[5.5, 3, 1, 0]]}, "whole numbers"),
        ("pool_size", {"sizes": [[5, 2, 2, 2]]}, "entirely in the padding"),
        ("leaky_relu", {"x": [1e9]}, "x must be between"),
    ],
)
def test_impossible_numbers_are_refused_in_a_sentence(name, changes, words):
    formula, values = drawn(name, **changes)
    with pytest.raises(FerError, match=words):
        complete_inputs(formula, values)


def test_impossible_sizes_are_model_errors_like_everywhere_else():
    formula, values = drawn("conv_size", sizes=[[3, 5, 1, 0]])
    with pytest.raises(ModelError):
        complete_inputs(formula, values)


def test_every_formula_stands_under_one_topic():
    assert sorted(name for names in TOPICS.values() for name in names) == sorted(FORMULAS)
