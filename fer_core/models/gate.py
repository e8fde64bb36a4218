"""A gate that makes a network less certain about inputs unlike everything it was taught."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

STEEPNESS: Final = 10.0
"""How sharply certainty falls at the radius: to 0.88 of the logits at 0.8 radii, 0.5 at one, 0.12 at 1.2."""


class DistanceGate(nn.Module):
    """Scales all logits by a factor in 0…1 that falls with the distance of the embedding from the nearest class mean.

    The softmax of a linear layer is confident far away from its training faces, whatever they show (Hein et al. 2019, "Why ReLU
    networks yield high-confidence predictions far away from the training data"). Distance to the nearest class mean detects such
    inputs (Lee et al. 2018, section 2.1). The scaling changes no prediction, only its probability, so that a threshold on the top
    probability also rejects what is none of the classes.

    Attributes:
        means: mean embedding of each class, (C, D).
        radius: distance at which logits are halved, ().
    """

    means: torch.Tensor
    radius: torch.Tensor

    def __init__(self, classes: int, size: int) -> None:
        """Create a gate for ``classes`` classes and embeddings of ``size`` features, with zero means and radius 1."""
        super().__init__()
        self.register_buffer("means", torch.zeros(classes, size))
        self.register_buffer("radius", torch.ones(()))

    def forward(self, embedding: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return the scaled logits: (N, D), (N, C) -> (N, C)."""
        squares = (embedding.unsqueeze(1) - self.means).square().sum(dim=2)  # (N, C)
        distance = squares.amin(dim=1, keepdim=True).sqrt()
        return logits * torch.sigmoid(STEEPNESS * (1 - distance / self.radius))
