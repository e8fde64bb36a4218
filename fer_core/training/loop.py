"""The training loop: settings and faces in, epoch records out. It knows no screen and no run directory.

All randomness of a step is a function of (seed, step): the order of an epoch, augmentation, mixup and dropout are
seeded anew at each step. So a resumed training needs only the number of the step to draw what it would have drawn,
and its final weights are bit-identical to never having stopped (CPU, same machine, same number of threads).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, ProtocolSplit
from fer_core.errors import ModelError, TrainingError
from fer_core.evaluation import metrics
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.models import ExpressionModel, build
from fer_core.preprocess import normalise
from fer_core.training.augment import augment
from fer_core.training.device import Compute
from fer_core.training.runs import EpochRecord

_SYNC_EVERY = 20  # steps between looks at the loss on a GPU; each look waits for the device


@dataclass
class Progress:
    """Where a training stands; totals are over the running epoch."""

    epoch: int = 0  # epochs completed
    step: int = 0  # steps done in the running epoch
    loss_sum: float = 0.0
    correct: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def torch_settings(compute: Compute) -> Iterator[None]:
    """Threads and the global random state for the time of a training; both are put back afterwards."""
    threads = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if compute.device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.set_num_threads(compute.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """Learning rate of step ``step`` (from 0) of ``total``.

    One-cycle (Smith & Topin 2018) climbs along a cosine from peak/25 to the peak, then falls along a cosine to 0.
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


def step_seed(seed: int, stream: int, step: int) -> int:
    """A 63-bit seed for one step (splitmix64 over the three numbers), so that neighbours are unrelated."""
    value = (seed * 0x9E3779B97F4A7C15 + stream * 0xBF58476D1CE4E5B9 + step + 1) & 0xFFFFFFFFFFFFFFFF
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = ((value ^ (value >> shift)) * factor) & 0xFFFFFFFFFFFFFFFF
    return (value ^ (value >> 31)) >> 1


class Training:
    """One training, driven epoch by epoch: ``while not t.finished: record = t.run_epoch()``."""

    def __init__(
        self,
        config: TrainConfig,
        dataset: FaceDataset,
        split: ProtocolSplit,
        compute: Compute,
        start_weights: dict[str, torch.Tensor] | None = None,
        teachers: Sequence[ExpressionModel] = (),
    ) -> None:
        self.config, self.compute, self.split, self.dataset = config, compute, split, dataset
        device = torch.device(compute.device)
        torch.manual_seed(config.seed)
        model = build(config.model, **config.model_args)
        if start_weights is not None:
            model.load_state_dict(start_weights)
        self.model: ExpressionModel = model.to(device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        # Each training has its own copy of its teachers, so that nothing is switched on a model others use.
        self.teachers = [copy.deepcopy(teacher).to(device).eval().requires_grad_(False) for teacher in teachers]
        for teacher in self.teachers:
            teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.average = copy.deepcopy(self.model).requires_grad_(False) if config.ema_decay else None
        self.optimizer = _optimizer(config, self.model)
        # The whole set lies on the device as bytes: 66 MB for FER2013.
        self.images = torch.from_numpy(dataset.images[split.train].copy()).to(device)
        self.targets = torch.from_numpy(dataset.labels[split.train].copy()).to(device)
        self.steps_per_epoch = max(1, len(self.images) // config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self.generator = torch.Generator(device)
        self.progress = Progress()
        # Validation goes through the one inference path, on a copy, so that nothing is switched on the model.
        self.info = CheckpointInfo(
            architecture=config.model, model_args=config.model_args, preprocess=config.preprocess
        )
        self.classifier = Classifier(copy.deepcopy(self.model), self.info, compute.device)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or early stopping has decided."""
        if self.progress.epoch >= self.config.epochs:
            return True
        records = self.records()
        if not self.config.patience or not records:
            return False
        best = min(records, key=lambda r: (-r.valid_accuracy, r.valid_loss, r.epoch))
        return records[-1].epoch - best.epoch >= self.config.patience

    def records(self) -> list[EpochRecord]:
        """The epochs completed so far."""
        return [EpochRecord.model_validate(record) for record in self.progress.history]

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights that are validated and saved: the average where it is on, else the network's."""
        return (self.average or self.model).state_dict()

    def run_epoch(
        self,
        on_step: Callable[[Progress, float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> EpochRecord | None:
        """Train to the end of the running epoch and validate.

        Args:
            on_step: called after each step with the progress and the learning rate.
            should_stop: asked after each step; when it says yes, the epoch is left where it stands.

        Returns:
            The epoch's record, or None when stopped before its end.

        Raises:
            TrainingError: the loss is not finite.
        """
        p, config = self.progress, self.config
        order = self._epoch_order(p.epoch)
        self.model.train()
        loss_sum = torch.tensor(p.loss_sum, dtype=torch.float64, device=self.images.device)
        correct = torch.tensor(p.correct, dtype=torch.float64, device=self.images.device)
        started, seconds_before = time.perf_counter(), p.seconds
        rate = 0.0
        while p.step < self.steps_per_epoch:
            rate = learning_rate(config, p.epoch * self.steps_per_epoch + p.step, self.total_steps)
            batch = order[p.step * config.batch_size : (p.step + 1) * config.batch_size]
            loss, hits = self._step(batch, p.epoch * self.steps_per_epoch + p.step, rate)
            loss_sum += loss * len(batch)
            correct += hits
            p.step += 1
            p.seen += len(batch)
            p.seconds = seconds_before + time.perf_counter() - started
            last = p.step == self.steps_per_epoch
            if self.compute.device == "cpu" or last or p.step % _SYNC_EVERY == 0:
                p.loss_sum, p.correct = float(loss_sum), float(correct)
                if not math.isfinite(p.loss_sum):
                    raise TrainingError(
                        f"The loss stopped being a finite number in epoch {p.epoch + 1}, step {p.step}. "
                        f"Lower the learning rate (it peaks at {config.learning_rate:g}), or set gradient clipping to 1. "
                        "The last good weights are kept."
                    )
                if on_step:
                    on_step(p, rate)
            if not last and should_stop and should_stop():
                p.loss_sum, p.correct = float(loss_sum), float(correct)
                return None
        return self._close_epoch(rate)

    def _epoch_order(self, epoch: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(step_seed(self.config.seed, 1, epoch))
        return torch.randperm(len(self.images), generator=generator).to(self.images.device)

    def _step(self, batch: torch.Tensor, step: int, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """One optimiser step; returns the plain cross-entropy (without smoothing) and the number of hits."""
        config = self.config
        torch.manual_seed(step_seed(config.seed, 2, step))  # dropout draws from the global generator
        self.generator.manual_seed(step_seed(config.seed, 3, step))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pixels, targets = self.images[batch].unsqueeze(1).float(), self.targets[batch]
        pixels = augment(pixels, config.augment, self.generator, fill=255 * config.preprocess.mean)
        share, partner = 1.0, None
        if config.mixup:
            share = float(np.random.default_rng(step_seed(config.seed, 4, step)).beta(config.mixup, config.mixup))
            partner = torch.randperm(len(batch), generator=self.generator, device=pixels.device)
            pixels = share * pixels + (1 - share) * pixels[partner]
        x = normalise(pixels, config.preprocess).contiguous(memory_format=torch.channels_last)
        with self.compute.autocast:
            logits = self.model(x)
        logits = logits.float()
        plain = _mixed_cross_entropy(logits, targets, partner, share, 0.0)
        smooth = config.label_smoothing
        loss = _mixed_cross_entropy(logits, targets, partner, share, smooth) if smooth else plain
        if self.teachers:
            distance = distillation_loss(logits, self._teachers_logits(x), config.teacher_temperature)
            loss = (1 - config.teacher_share) * loss + config.teacher_share * distance
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        if self.average is not None:
            _update_average(self.average, self.model, _ema_decay(config.ema_decay, step))
        with torch.no_grad():
            predicted = logits.argmax(dim=1)
            hits = share * (predicted == targets).sum()
            if partner is not None:
                hits = hits + (1 - share) * (predicted == targets[partner]).sum()
        return plain.detach(), hits

    @torch.no_grad()
    def _teachers_logits(self, x: torch.Tensor) -> list[torch.Tensor]:
        with self.compute.autocast:
            return [teacher(x).float() for teacher in self.teachers]

    def _close_epoch(self, rate: float) -> EpochRecord:
        p = self.progress
        valid_loss, valid_accuracy = self._validate(self.split.valid)
        honest_loss, honest_accuracy = None, None
        if self.split.honest is not None:
            honest_loss, honest_accuracy = self._validate(self.split.honest)
        record = EpochRecord(
            epoch=p.epoch + 1,
            train_loss=p.loss_sum / p.seen,
            train_accuracy=p.correct / p.seen,
            valid_loss=valid_loss,
            valid_accuracy=valid_accuracy,
            honest_loss=honest_loss,
            honest_accuracy=honest_accuracy,
            learning_rate=rate,
            seconds=p.seconds,
            images_per_second=p.seen / p.seconds,
        )
        self.progress = Progress(epoch=p.epoch + 1, history=[*p.history, record.to_dict()])
        return record

    def _validate(self, indices: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[float, float]:
        self.classifier.model.load_state_dict(self.weights())
        labels = self.dataset.labels[indices]
        try:
            logits = self.classifier.logits(self.dataset.images[indices])
        except ModelError as error:
            raise TrainingError(
                f"The network's answers are not finite numbers after epoch {self.progress.epoch + 1}. "
                "Lower the learning rate. The last good weights are kept."
            ) from error
        loss = metrics.cross_entropy(logits, labels)
        return loss, metrics.accuracy(labels, logits.argmax(axis=1).astype(np.int64))

    def state_dict(self) -> dict[str, Any]:
        """All that resuming needs: tensors and plain values only."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(self.progress).copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])


def _optimizer(config: TrainConfig, model: torch.nn.Module) -> torch.optim.Optimizer:
    """AdamW or SGD; biases and batch norm (vectors) are not decayed."""
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


def _mixed_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, partner: torch.Tensor | None, share: float, smoothing: float
) -> torch.Tensor:
    loss = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    if partner is not None:
        loss = share * loss + (1 - share) * F.cross_entropy(logits, targets[partner], label_smoothing=smoothing)
    return loss


def distillation_loss(logits: torch.Tensor, teachers: Sequence[torch.Tensor], temperature: float) -> torch.Tensor:
    """T² · KL(mean over teachers of softmax(z_t / T) ‖ softmax(z / T)), averaged over faces (Hinton et al. 2015).

    Args:
        logits: z, the student's, float (N, C).
        teachers: z_t of each teacher, float (N, C).
        temperature: T; the factor T² keeps the gradient's size, which falls with 1 / T².
    """
    wanted = torch.stack([F.softmax(z / temperature, dim=1) for z in teachers]).mean(dim=0)
    answered = F.log_softmax(logits / temperature, dim=1)
    return temperature**2 * F.kl_div(answered, wanted, reduction="batchmean")


def _ema_decay(decay: float, step: int) -> float:
    """The average forgets its random start quickly: (1 + step) / (10 + step) until that exceeds ``decay``."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def _update_average(average: torch.nn.Module, model: torch.nn.Module, decay: float) -> None:
    ours, theirs = list(average.state_dict().values()), list(model.state_dict().values())
    floats = [i for i, value in enumerate(ours) if value.is_floating_point()]
    torch._foreach_lerp_([ours[i] for i in floats], [theirs[i] for i in floats], 1 - decay)
    for i, value in enumerate(ours):
        if i not in set(floats):
            value.copy_(theirs[i])
