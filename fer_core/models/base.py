"""The base class of all networks: ``forward = head(features(x))``."""

from __future__ import annotations

import torch
from torch import nn

from fer_core.models.gate import DistanceGate


class ExpressionModel(nn.Module):
    """The base class of all architectures.

    ``features`` ends *before* the last pooling layer, so that Grad-CAM needs no hooks and its map has a useful resolution.
    Subclasses define :meth:`features`, :meth:`embedding` and the last linear layer ``classifier``. A network with own classes
    also has a ``gate``.
    """

    classifier: nn.Linear
    gate: DistanceGate | None

    def __init__(self) -> None:
        super().__init__()
        self.gate = None

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last feature map: float (N, 1, 48, 48) -> (N, K, h, w)."""
        raise NotImplementedError

    def embedding(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features: (N, K, h, w) -> (N, D)."""
        raise NotImplementedError

    def head(self, maps: torch.Tensor) -> torch.Tensor:
        """Return logits from the last feature map: (N, K, h, w) -> (N, C)."""
        return self.logits(self.embedding(maps))

    def logits(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return logits from penultimate features: (N, D) -> (N, C)."""
        logits: torch.Tensor = self.classifier(embedding)
        return logits if self.gate is None else self.gate(embedding, logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits: float (N, 1, 48, 48) -> (N, C)."""
        return self.head(self.features(x))
