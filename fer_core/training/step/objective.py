"""The objective of one output: its loss to the targets plus the distillation loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from fer_core.config import TrainConfig
from fer_core.training.outputs import Output
from fer_core.training.step.losses import class_weights, distillation_loss, mixed_cross_entropy


class StepFigures(NamedTuple):
    """Metrics of one output in one step, as scalar tensors.

    Attributes:
        loss: the loss that is minimized.
        plain: cross-entropy without smoothing, class weights and distillation.
        hits: number of correctly predicted faces, scaled up to the batch size if some faces have no true class.
    """

    loss: torch.Tensor
    plain: torch.Tensor
    hits: torch.Tensor


class Objective:
    """The loss of one output; holds the targets of all n training faces on the device."""

    def __init__(self, output: Output, train: npt.NDArray[np.int64], config: TrainConfig, device: torch.device) -> None:
        """Create the objective; ``train``, int64 (n,), are the positions of the training faces in the data set."""
        self._config, self._columns = config, output.columns
        self._targets = torch.from_numpy(output.targets[train].copy()).to(device)
        self._truth = torch.from_numpy(output.truth[train].copy()).to(device)
        self._all_have_truth = bool((self._truth >= 0).all())
        soft = self._targets.is_floating_point()
        counts = self._targets.sum(dim=0) if soft else torch.bincount(self._targets, minlength=len(output.classes))
        self._class_weights = class_weights(config.class_weights, counts)

    def __call__(
        self, logits: torch.Tensor, batch: torch.Tensor, share: torch.Tensor, teacher: torch.Tensor | None
    ) -> StepFigures:
        """Compute loss and metrics of a step.

        Args:
            logits: logits of the whole network, float (B, all classes).
            batch: positions among the training faces, int64 (B,).
            share: weight of each face under mixup, float (); its neighbor in the batch has the rest.
            teacher: the teachers' probabilities, float (B, all classes); None without teachers.
        """
        config, mixed = self._config, bool(self._config.mixup)
        logits, targets, truth = logits[:, self._columns], self._targets[batch], self._truth[batch]
        others = targets.roll(1, 0) if mixed else None
        plain = loss = mixed_cross_entropy(logits, targets, others, share, 0.0)
        if config.label_smoothing or self._class_weights is not None:
            loss = mixed_cross_entropy(logits, targets, others, share, config.label_smoothing, self._class_weights)
        if teacher is not None:
            distance = distillation_loss(logits, teacher[:, self._columns], config.distillation_temperature)
            loss = (1 - config.distillation_weight) * loss + config.distillation_weight * distance
        with torch.no_grad():
            predicted = logits.argmax(dim=1)
            hits = (predicted == truth).sum().float()
            if mixed:
                hits = share * hits + (1 - share) * (predicted == truth.roll(1, 0)).sum()
            if not self._all_have_truth:
                hits = hits * len(batch) / (truth >= 0).sum().clamp(min=1)
        return StepFigures(loss, plain, hits)
