"""The inputs of a training step: its random seeds, and faces as network input."""

from __future__ import annotations

import torch

from fer_core.config import PreprocessConfig
from fer_core.preprocess import normalize


def step_seed(seed: int, stream: int, step: int) -> int:
    """Return a 63-bit seed for one step (splitmix64 of the three numbers), so that seeds of successive steps are unrelated."""
    value = (seed * 0x9E3779B97F4A7C15 + stream * 0xBF58476D1CE4E5B9 + step + 1) & 0xFFFFFFFFFFFFFFFF
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFFFFFFFFFF
    return (value ^ (value >> 31)) >> 1


def network_input(pixels: torch.Tensor, config: PreprocessConfig) -> torch.Tensor:
    """Normalize gray values in 0…255, float (N, 1, H, W), and convert them to channels-last memory format."""
    return normalize(pixels, config).contiguous(memory_format=torch.channels_last)
