"""The outputs of a trained network chosen and put in another order, to fit the classes of other data."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from fer_core.models.base import ExpressionModel


def select_outputs(model: ExpressionModel, positions: Sequence[int]) -> ExpressionModel:
    """A copy of ``model`` with the outputs at ``positions``, in that order.

    The softmax over them is the model's own distribution given that the class is one of these.
    """
    chosen, rows = copy.deepcopy(model), list(positions)
    before = chosen.classifier
    layer = nn.Linear(before.in_features, len(rows), bias=before.bias is not None, device=before.weight.device)
    with torch.no_grad():
        layer.weight.copy_(before.weight[rows])
        if before.bias is not None:
            layer.bias.copy_(before.bias[rows])
    chosen.classifier = layer.requires_grad_(before.weight.requires_grad).train(before.training)
    return chosen
