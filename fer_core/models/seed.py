"""The lab report's network, unchanged: four convolutional blocks and two linear layers, 538,439 parameters."""

from __future__ import annotations

import torch
from torch import nn

from fer_core.classes import ClassList
from fer_core.models.base import ExpressionModel
from fer_core.models.registry import register


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2),
    )


@register("seed")
class SeedNet(ExpressionModel):
    """The lab report's network: four convolutional blocks, two linear layers (538,439 parameters)."""

    def __init__(self, classes: int = len(ClassList.fer2013()), dropout: float = 0.5) -> None:
        super().__init__()
        self.block1 = _block(1, 32, 5)
        self.block2 = _block(32, 64, 3)
        self.block3 = _block(64, 128, 3)
        self.block4 = _block(128, 128, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(128 * 3 * 3, 256)
        self.activation = nn.LeakyReLU(0.2)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(256, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 48, 48) -> (N, 128, 6, 6), before the fourth pooling."""
        x = self.pool(self.block1(x))  # (N, 32, 24, 24)
        x = self.pool(self.block2(x))  # (N, 64, 12, 12)
        x = self.pool(self.block3(x))  # (N, 128, 6, 6)
        maps: torch.Tensor = self.block4(x)
        return maps

    def embedding(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, 128, 6, 6) -> (N, 256)."""
        flat = self.pool(maps).flatten(1)  # (N, 1152)
        features: torch.Tensor = self.dropout(self.activation(self.fc(flat)))
        return features
