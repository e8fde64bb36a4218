"""The base class of all networks: ``forward = head(features(x))``."""

from __future__ import annotations

import torch
from torch import nn


class ExpressionModel(nn.Module):
    """The base class of all architectures.

    ``features`` ends *before* the last pooling layer, so that Grad-CAM needs no hooks and its map has a useful resolution.
    Subclasses define :meth:`features`, :meth:`embedding` and the last linear layer ``classifier``.
    """

    classifier: nn.Linear

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last feature map: float (N, 1, 48, 48) -> (N, K, h, w)."""
        raise NotImplementedError

    def embedding(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features: (N, K, h, w) -> (N, D)."""
        raise NotImplementedError

    def head(self, maps: torch.Tensor) -> torch.Tensor:
        """Return logits from the last feature map: (N, K, h, w) -> (N, C)."""
        logits: torch.Tensor = self.classifier(self.embedding(maps))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits: float (N, 1, 48, 48) -> (N, C)."""
        return self.head(self.features(x))
