from __future__ import annotations

import pytest
import torch

from fer_core.models import build
from fer_core.models.outputs import select_outputs


@pytest.mark.parametrize("name", ["seed", "compact"])
def test_chosen_outputs_are_those_of_the_model_in_the_order_asked_for(name):
    model, x = build(name).eval(), torch.randn(3, 1, 48, 48)
    chosen = select_outputs(model, [4, 0, 2])
    assert torch.allclose(chosen(x), model(x)[:, [4, 0, 2]], atol=1e-6)
    assert chosen.classifier.out_features == 3
    assert model.classifier.out_features == 7, "the model itself is left as it was"


def test_softmax_over_the_chosen_is_the_models_own_given_that_it_is_one_of_them():
    model, x = build("seed").eval(), torch.randn(2, 1, 48, 48)
    whole, part = model(x).softmax(dim=1)[:, [6, 1]], select_outputs(model, [6, 1])(x).softmax(dim=1)
    assert torch.allclose(part, whole / whole.sum(dim=1, keepdim=True), atol=1e-6)
