"""Select, reorder and join the outputs of networks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from fer_core.models.base import ExpressionModel


def select_outputs(model: ExpressionModel, positions: Sequence[int]) -> ExpressionModel:
    """Return a copy of ``model`` with the outputs at ``positions``, in that order.

    Their softmax is the model's distribution conditioned on the class being one of these.
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


def output_weights(weights: Mapping[str, torch.Tensor], columns: slice) -> dict[str, torch.Tensor]:
    """Return the weights of the network restricted to the outputs in ``columns``."""
    return {name: value[columns] if name.startswith("classifier.") else value for name, value in weights.items()}


def join_outputs(models: Sequence[ExpressionModel]) -> nn.Module:
    """Join networks into one with all their outputs, in order: (N, 1, 48, 48) -> (N, sum of their outputs).

    Networks that differ only in their last layer are merged, so that shared layers are computed once.
    """
    if len(models) == 1:
        return models[0]
    states = [model.state_dict() for model in models]
    trunk = [name for name in states[0] if not name.startswith("classifier.")]
    alike = all(
        state.keys() == states[0].keys() and all(torch.equal(state[name], states[0][name]) for name in trunk)
        for state in states[1:]
    )
    if not alike:
        return _SideBySide(models)
    joined = select_outputs(models[0], [0] * sum(model.classifier.out_features for model in models))
    last = {name: torch.cat([state[name] for state in states]) for name in states[0] if name not in trunk}
    joined.load_state_dict({**states[0], **last})
    return joined


class _SideBySide(nn.Module):
    """Concatenates the outputs of several networks."""

    def __init__(self, models: Sequence[ExpressionModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 48, 48) -> (N, sum of all outputs)."""
        return torch.cat([model(x) for model in self.models], dim=1)
