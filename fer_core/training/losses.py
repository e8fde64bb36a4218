"""What a training makes small: cross-entropy with its variants, and the distance from the teachers' answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def mixed_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, others: torch.Tensor | None, share: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Cross-entropy to the labels; under mixup a mean of two, weighed by ``share``.

    Args:
        logits: float (N, C).
        targets: int64 (N,), the labels.
        others: int64 (N,), the labels of the faces mixed in; None without mixup.
        share: float (), how much of each face remains under mixup.
        smoothing: share of each target that is spread evenly over all classes.
    """
    loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    if others is not None:
        loss = share * loss + (1 - share) * F.cross_entropy(logits, others, label_smoothing=smoothing)
    return loss


def distillation_loss(logits: torch.Tensor, answer: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · KL(answer ‖ softmax(z / T)), averaged over faces (Hinton et al. 2015).

    Args:
        logits: z, the student's, float (N, C).
        answer: the teachers' softmax(z_t / T), averaged over teachers, float (N, C).
        temperature: T; the factor T² keeps the gradient's size, which falls with 1 / T².
    """
    return temperature**2 * F.kl_div(F.log_softmax(logits / temperature, dim=1), answer, reduction="batchmean")
