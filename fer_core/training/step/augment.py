"""Augments a whole batch of training faces at once, on the device that holds it. Used in training only."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from fer_core.config import AugmentConfig
from fer_core.training.distributed.part import Part


def augment(
    pixels: torch.Tensor, config: AugmentConfig, generator: torch.Generator, fill: float, part: Part | None = None
) -> torch.Tensor:
    """Augment each face of a batch at random.

    Args:
        pixels: float (N, 1, H, W) in 0…255.
        config: the strength of each change.
        generator: random generator on the same device as ``pixels``.
        fill: value of erased rectangles, in 0…255 (the data's mean).
        part: which faces of a batch these are: the random numbers are drawn for the whole batch, which therefore is the
            same however many processes share it. None: the whole batch.

    Returns:
        float (N, 1, H, W) in 0…255; areas outside the original image repeat its border pixels.
    """
    n = len(pixels)
    part = part or Part.whole(n)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        drawn = torch.rand((part.total, *shape), generator=generator, device=pixels.device)[part.prepared]
        return drawn * (high - low) + low

    if config.flip or config.shift or config.scale or config.rotation:
        angle = uniform(-config.rotation, config.rotation) * (math.pi / 180)
        factor = 1 / uniform(1 - config.scale, 1 + config.scale)
        mirror = 1 - 2 * (uniform(0, 1) < 0.5).float() if config.flip else torch.ones(n, device=pixels.device)
        cos, sin = torch.cos(angle) * factor, torch.sin(angle) * factor
        # grid coordinates run from -1 to 1, so a shift by a fraction s of the side is 2 s
        dx, dy = uniform(-2 * config.shift, 2 * config.shift), uniform(-2 * config.shift, 2 * config.shift)
        rows = torch.stack([cos * mirror, -sin, dx, sin * mirror, cos, dy], dim=1)
        grid = F.affine_grid(rows.view(n, 2, 3), list(pixels.shape), align_corners=False)
        pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if config.contrast:
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = mean + (pixels - mean) * uniform(1 - config.contrast, 1 + config.contrast, 1, 1, 1)
    if config.brightness:
        pixels = pixels + 255 * uniform(-config.brightness, config.brightness, 1, 1, 1)
    if config.contrast or config.brightness:
        pixels = pixels.clamp(0, 255)
    if config.erasing:
        pixels = _erase(pixels, config.erasing, fill, uniform)
    return pixels


def _erase(pixels: torch.Tensor, probability: float, fill: float, uniform: object) -> torch.Tensor:
    """Apply random erasing (Zhong et al. 2020): set one rectangle of 2–20% of the area, aspect 0.3–3.3, to ``fill``."""
    assert callable(uniform)
    height, width = pixels.shape[2:]
    area = uniform(0.02, 0.20) * (height * width)
    aspect = torch.exp(uniform(math.log(0.3), math.log(3.3)))
    h = torch.sqrt(area * aspect).clamp(max=height).round()
    w = torch.sqrt(area / aspect).clamp(max=width).round()
    top, left = (uniform(0, 1) * (height - h + 1)).floor(), (uniform(0, 1) * (width - w + 1)).floor()
    y = torch.arange(height, device=pixels.device).view(1, 1, -1, 1)
    x = torch.arange(width, device=pixels.device).view(1, 1, 1, -1)

    def each(value: torch.Tensor) -> torch.Tensor:
        return value.view(-1, 1, 1, 1)

    inside = (y >= each(top)) & (y < each(top + h)) & (x >= each(left)) & (x < each(left + w))
    chosen = each(uniform(0, 1) < probability)
    return torch.where(inside & chosen, torch.full_like(pixels, fill), pixels)
