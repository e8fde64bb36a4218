"""What a training makes small: cross-entropy with its variants, and the distance from the teachers' answer."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

ClassWeights = Literal["none", "sqrt", "inverse"]


def class_weights(kind: ClassWeights, counts: torch.Tensor) -> torch.Tensor | None:
    """What a face of each class counts in the loss, float (C,); None where all count alike.

    Args:
        kind: ``inverse``: in proportion to 1 / n, for the n training faces of the class; ``sqrt``: to 1 / √n.
        counts: (C,), training faces of each class; a face whose target is divided counts for each class in part.

    Returns:
        weights whose mean over the training faces is 1; 0 for a class without a training face.
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
    """Cross-entropy to the targets, averaged over faces; under mixup a mean of two, weighed by ``share``.

    Args:
        logits: float (N, C).
        targets: int64 (N,), labels; or float (N, C), soft targets. A row of zeros is a face without a target: it
            adds nothing, and the average is over the others.
        others: targets of the faces mixed in, the same ones in another order; None without mixup.
        share: float (), how much of each face remains under mixup.
        smoothing: share of each target that is spread evenly over all classes.
        weights: float (C,), what a face of each class counts, and in part one whose target is divided; None where all
            count alike.
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
    # Not PyTorch's own argument ``weight``: it divides by the weights of the batch, and weighs the smoothed part by class.
    return (weights[targets] * F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")).mean()


def distillation_loss(logits: torch.Tensor, answer: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · KL(answer ‖ softmax(z / T)), averaged over faces (Hinton et al. 2015).

    Args:
        logits: z, the student's, float (N, C).
        answer: the teachers' softmax(z_t / T), averaged over teachers, float (N, C).
        temperature: T; the factor T² keeps the gradient's size, which falls with 1 / T².
    """
    return temperature**2 * F.kl_div(F.log_softmax(logits / temperature, dim=1), answer, reduction="batchmean")
