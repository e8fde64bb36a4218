"""What every network here looks like: ``forward = head(features(x))``."""

from __future__ import annotations

import torch
from torch import nn


class ExpressionModel(nn.Module):
    """Base of all architectures.

    ``features`` ends *before* the last pooling, so that Grad-CAM needs no hooks and has a map worth showing.
    Subclasses define :meth:`features`, :meth:`embedding` and the final linear layer ``classifier``.
    """

    classifier: nn.Linear

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Last feature map: float (N, 1, 48, 48) -> (N, K, h, w)."""
        raise NotImplementedError

    def embedding(self, maps: torch.Tensor) -> torch.Tensor:
        """Penultimate features: (N, K, h, w) -> (N, D)."""
        raise NotImplementedError

    def head(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits from the last feature map: (N, K, h, w) -> (N, C)."""
        logits: torch.Tensor = self.classifier(self.embedding(maps))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: float (N, 1, 48, 48) -> (N, C)."""
        return self.head(self.features(x))
