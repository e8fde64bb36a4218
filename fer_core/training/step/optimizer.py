"""Updates the weights: learning-rate schedule, optimizer, and the EMA of the weights."""

from __future__ import annotations

import math

import torch

from fer_core.config import TrainConfig


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """Return the learning rate of step ``step`` (counted from 0) of ``total``.

    One-cycle (Smith & Topin 2018) rises along a cosine from peak/25 to the peak, then falls along a cosine to 0.
    """
    position = step / max(1, total)
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * position))
    if position < config.warmup_share:
        rise = 0.5 * (1 - math.cos(math.pi * position / config.warmup_share))
        return config.learning_rate * (1 / 25 + (1 - 1 / 25) * rise)
    fall = (position - config.warmup_share) / (1 - config.warmup_share)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * fall))


def make_optimizer(config: TrainConfig, model: torch.nn.Module) -> torch.optim.Optimizer:
    """Create AdamW or SGD; biases and batch-norm parameters (vectors) get no weight decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    return torch.optim.SGD(
        groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0, fused=True
    )


def ema_decay(decay: float, step: int) -> float:
    """Return the EMA decay of a step: (1 + step) / (10 + step) up to ``decay``, so that early weights fade quickly."""
    return min(decay, (1 + step) / (10 + step))


TensorPairs = tuple[list[torch.Tensor], list[torch.Tensor]]


def averaged_tensors(average: torch.nn.Module, model: torch.nn.Module) -> tuple[TensorPairs, TensorPairs]:
    """Return (EMA, model) tensor lists: first floating-point tensors, which are averaged, then counters, which are copied."""
    both = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    floats = [pair for pair in both if pair[0].is_floating_point()]
    counters = [pair for pair in both if not pair[0].is_floating_point()]
    return ([a for a, _ in floats], [m for _, m in floats]), ([a for a, _ in counters], [m for _, m in counters])


@torch.no_grad()
def update_average(floats: TensorPairs, counters: TensorPairs, decay: float) -> None:
    """Move the EMA toward the weights by 1 − ``decay``; see :func:`averaged_tensors`."""
    torch._foreach_lerp_(*floats, 1 - decay)
    if counters[0]:
        torch._foreach_copy_(*counters)
