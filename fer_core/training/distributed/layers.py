"""Layers that compute on the global batch although each process holds only its part: batch norm and dropout."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from fer_core.errors import ModelError
from fer_core.training.distributed.part import Part


def share_layers(model: nn.Module, part: Part, device: str) -> None:
    """Replace the batch-norm and dropout layers in place; parameters, buffers and their names stay the same.

    On a GPU batch norm becomes PyTorch's SyncBatchNorm, which refuses CPU tensors; there it becomes
    :class:`SharedBatchNorm`, which computes the same.

    Raises:
        ModelError: the network has a random layer whose numbers cannot be drawn for the global batch.
    """
    for name, layer in list(model.named_modules()):
        if isinstance(layer, _BatchNorm):
            new: nn.Module = SharedBatchNorm(layer) if device == "cpu" else _synchronized(layer)
        elif isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            new = SharedDropout(layer, part)
        elif isinstance(layer, _DropoutNd | nn.RReLU):
            raise ModelError(
                f"The network's layer '{name}' ({type(layer).__name__}) cannot be trained by several processes. Use "
                "Dropout, or train with one process."
            )
        else:
            continue
        model.set_submodule(name, new.train(layer.training))


def _synchronized(layer: _BatchNorm) -> nn.Module:
    new: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(layer)  # type: ignore[no-untyped-call]
    return new


class SharedDropout(nn.Module):
    """Dropout whose mask is drawn for the global batch; each process applies its rows of the mask."""

    def __init__(self, layer: _DropoutNd, part: Part) -> None:
        super().__init__()
        self._layer, self._part = layer, part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(part of N, ...) -> (part of N, ...)."""
        if not self.training:
            return x
        shape = (self._part.total, *x.shape[1:])
        channels_last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
        ones = torch.ones(shape, dtype=x.dtype, device=x.device)
        if channels_last:  # the mask is drawn in the order of the memory
            ones = ones.contiguous(memory_format=torch.channels_last)
        mask: torch.Tensor = self._layer(ones)
        return x * mask[self._part.own]


class SharedBatchNorm(nn.Module):
    """Batch norm over the faces of all processes, each weighted by its number of faces; running statistics are equal.

    Source: the two-stage mean and variance of Chan et al. (1979), as in PyTorch's SyncBatchNorm.
    """

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__()
        self.eps, self.momentum = layer.eps, layer.momentum
        self.weight, self.bias = layer.weight, layer.bias
        self.register_buffer("running_mean", layer.running_mean)
        self.register_buffer("running_var", layer.running_var)
        self.register_buffer("num_batches_tracked", layer.num_batches_tracked)
        self.running_mean: torch.Tensor | None
        self.running_var: torch.Tensor | None
        self.num_batches_tracked: torch.Tensor | None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(part of N, K, ...) -> (part of N, K, ...)."""
        if not self.training and self.running_mean is not None:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        y, mean, variance, count = _Normalize.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                rate = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
                self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), rate)
        return y  # type: ignore[no-any-return]


class _Normalize(torch.autograd.Function):
    """Normalize by the statistics of all processes; the backward pass exchanges the two sums that depend on all faces."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        exact = torch.float64 if x.dtype == torch.float64 else torch.float32
        dims = [d for d in range(x.ndim) if d != 1]
        variance, mean = torch.var_mean(x.to(exact), dim=dims, correction=0)
        # A float32 holds a count exactly up to 16.7 million values per channel; the number of faces stays far below.
        mine = torch.cat([mean, variance, mean.new_tensor([float(len(x))])])
        found = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(found, mine)
        means, variances, faces = torch.split(torch.stack(found), [len(mean), len(mean), 1], dim=1)
        weights = faces / faces.sum()
        mean = (weights * means).sum(dim=0)
        variance = (weights * (variances + (means - mean) ** 2)).sum(dim=0)
        count = faces.sum() * (x.numel() // (x.shape[0] * x.shape[1]))
        y = F.batch_norm(x, mean, variance, weight, bias, eps=eps)
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, mean, variance, count = ctx.saved_tensors
        direct, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([by_weight, by_bias])
        dist.all_reduce(sums)
        inverse = torch.rsqrt(variance + ctx.eps)
        scale = inverse if weight is None else weight * inverse
        slope = -scale * inverse * sums[0] / count
        offset = -scale * sums[1] / count - slope * mean
        shape = [1, -1, *[1] * (x.ndim - 2)]
        whole = direct + (x * slope.view(shape) + offset.view(shape)).to(direct.dtype)
        return whole, (None if weight is None else by_weight), (None if weight is None else by_bias), None
