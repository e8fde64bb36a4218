"""Losses: cross-entropy with soft targets, mixup, smoothing and class weights, and the distillation loss."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

ClassWeights = Literal["none", "sqrt", "inverse"]


def class_weights(kind: ClassWeights, counts: torch.Tensor) -> torch.Tensor | None:
    """Return the weight of each class in the loss, float (C,); None if all classes weigh the same.

    Args:
        kind: ``inverse``: proportional to 1 / n for a class with n training faces; ``sqrt``: to 1 / √n.
        counts: (C,), training faces per class; a face with a soft target counts as fractions.

    Returns:
        Weights whose mean over the training faces is 1; 0 for a class without training faces.
    """
    if kind == "none":
        return None
    present = counts > 0
    n = counts.clamp(min=1).double()
    weights = torch.where(present, 1 / n if kind == "inverse" else n.rsqrt(), torch.zeros_like(n))
    scale = counts.sum() / (weights * counts).sum()
    return (weights * scale).float()


def mixed_cross_entropy(
    logits: torch.Tensor,
    targets: torch.Tensor,
    others: torch.Tensor | None,
    share: torch.Tensor,
    smoothing: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the cross-entropy to the targets, averaged over faces; with mixup, the weighted mean of two.

    Args:
        logits: float (N, C).
        targets: int64 (N,), labels; or float (N, C), soft targets. A row of zeros is a face without a target, which
            is excluded from the average.
        others: targets of the faces mixed in, a permutation of ``targets``; None without mixup.
        share: float (), the weight of ``targets`` under mixup; ``others`` have the rest.
        smoothing: share of each target distributed evenly over all classes.
        weights: float (C,), the weight of each class; None if all classes weigh the same.
    """
    loss = _cross_entropy(logits, targets, smoothing, weights)
    if others is not None:
        loss = share * loss + (1 - share) * _cross_entropy(logits, others, smoothing, weights)
    return loss


def _cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float, weights: torch.Tensor | None
) -> torch.Tensor:
    if targets.is_floating_point():
        has_target = targets.sum(dim=1)  # 1 or 0
        counts = has_target if weights is None else targets @ weights
        losses = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
        return (counts * losses).sum() / has_target.sum().clamp(min=1)
    if weights is None:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)
    # PyTorch's own ``weight`` argument divides by the weights of the batch and applies them to the smoothed part as well.
    return (weights[targets] * F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")).mean()


def distillation_loss(logits: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return T² · KL(teacher ‖ softmax(z / T)), averaged over faces (Hinton et al. 2015).

    Args:
        logits: z, the student's logits, float (N, C).
        teacher: softmax(z_t / T), averaged over teachers, float (N, C).
        temperature: T; the factor T² offsets the gradient's scaling with 1 / T².
    """
    return temperature**2 * F.kl_div(F.log_softmax(logits / temperature, dim=1), teacher, reduction="batchmean")
