"""A small residual network with squeeze-and-excitation, designed for 48×48 faces on one laptop thread."""

from __future__ import annotations

import torch
from torch import nn

from fer_core.classes import ClassList
from fer_core.models.base import ExpressionModel
from fer_core.models.registry import register

_MOST_BLOCKS = 200


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation: scales channels by a function of their global averages (Hu et al. 2018)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(8, channels // reduction)
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, K, h, w) -> (N, K, h, w)."""
        weights = torch.sigmoid(self.up(torch.relu(self.down(x.mean(dim=(2, 3), keepdim=True)))))  # (N, K, 1, 1)
        return x * weights


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a shortcut (He et al. 2016); the shortcut pools before its 1×1 (ResNet-D)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        # Zero-initialization makes each block start as the identity, which allows high initial learning rates.
        nn.init.zeros_(self.norm2.weight)
        self.excite = SqueezeExcite(outputs)
        shortcut: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        if inputs != outputs:
            shortcut += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.excite(self.norm2(self.conv2(y)))
        return torch.relu(y + self.shortcut(x))


@register("compact")
class CompactNet(ExpressionModel):
    """A small residual network with squeeze-and-excitation; the default of the app."""

    def __init__(
        self,
        classes: int = len(ClassList.fer2013()),
        stem: int = 32,
        widths: tuple[int, ...] = (48, 96, 192),
        blocks: tuple[int, ...] = (1, 2, 2),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"widths has {len(widths)} stages and blocks {len(blocks)}; they must match")
        if sum(blocks) > _MOST_BLOCKS:
            raise ValueError(f"blocks adds up to {sum(blocks):,}; at most {_MOST_BLOCKS} are allowed")
        self.stem = nn.Sequential(nn.Conv2d(1, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU())
        stages = []
        inputs = stem
        for width, count in zip(widths, blocks, strict=True):
            for index in range(count):
                stages.append(ResidualBlock(inputs, width, stride=2 if index == 0 else 1))
                inputs = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(inputs, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 48, 48) -> (N, 192, 6, 6), before the global pooling."""
        maps: torch.Tensor = self.stages(self.stem(x))
        return maps

    def embedding(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, 192, 6, 6) -> (N, 192)."""
        features: torch.Tensor = self.dropout(self.pool(maps).flatten(1))
        return features
