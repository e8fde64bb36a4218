"""The training loop: settings and faces in, epoch records out. It knows no screen and no run directory.

All randomness of a step is a function of (seed, step): the order of an epoch, augmentation, mixup and dropout are
seeded anew at each step. So a resumed training needs only the number of the step to draw what it would have drawn,
and its final weights are bit-identical to never having stopped (CPU, same machine, same number of threads).
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, ProtocolSplit
from fer_core.errors import ConfigError, ModelError, TrainingError
from fer_core.evaluation import metrics
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.models import ExpressionModel, build
from fer_core.models.outputs import output_weights, select_outputs
from fer_core.training.device import Compute
from fer_core.training.outputs import Output, learnable, make_outputs
from fer_core.training.runs import EpochRecord, OutputRecord
from fer_core.training.step.augment import augment
from fer_core.training.step.capture import CapturedStep
from fer_core.training.step.distillation import Distillation, KeptViews, Views
from fer_core.training.step.inputs import as_input, step_seed
from fer_core.training.step.objective import Objective
from fer_core.training.step.optimizer import averaged_tensors, ema_decay, learning_rate, make_optimizer, update_average

_SYNC_EVERY = 20  # steps between looks at the loss on a GPU; each look waits for the device
_VALIDATED_AT_ONCE = {"cpu": 256, "cuda": 2048}  # faces: small batches stay in a processor's cache and starve a GPU


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
    threads, searching = torch.get_num_threads(), torch.backends.cudnn.benchmark
    devices = [torch.cuda.current_device()] if compute.device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.set_num_threads(compute.threads)
        torch.backends.cudnn.benchmark = compute.device == "cuda"  # every batch has the same shape: worth a search
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark = searching


def network_args(config: TrainConfig, outputs: Sequence[Output]) -> dict[str, Any]:
    """Arguments of the architecture for a network with one logit for each class of each output.

    Raises:
        ConfigError: the settings ask for another number of logits.
    """
    wanted = sum(len(output.classes) for output in outputs)
    asked = config.model_args.get("classes", wanted)
    if asked != wanted:
        classes = "; ".join(", ".join(output.classes) for output in outputs)
        raise ConfigError(
            f"model_args asks for {asked} classes, the data has {wanted} ({classes}). "
            "Leave 'classes' out of model_args; it follows the data."
        )
    return {**config.model_args, "classes": wanted}


class Training:
    """One training, driven epoch by epoch: ``while not t.finished: record = t.run_epoch()``.

    Args:
        config: all settings.
        dataset: the network gets an output for its classes, for those that people voted for, or for both.
        split: which of its faces train and validate.
        compute: where, and how precisely.
        start_weights: values for some or all of the network's tensors, by name; the others start at random.
        teachers: networks whose outputs are those of the training, in their order.
        answered: the outputs of the teachers, where they have more than the training.
        views: what is kept of the views, shared with other trainings; own ones when None.

    Raises:
        ConfigError, DataError, ModelError: the settings do not fit the data, or there is no such architecture.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: FaceDataset,
        split: ProtocolSplit,
        compute: Compute,
        start_weights: dict[str, torch.Tensor] | None = None,
        teachers: Sequence[torch.nn.Module] = (),
        answered: Sequence[Output] = (),
        views: KeptViews | None = None,
    ) -> None:
        self.config, self.compute, self.dataset = config, compute, dataset
        self.outputs = make_outputs(dataset, config.targets)
        self.split, self.notes = learnable(dataset, split, self.outputs, config)
        train = self.split.train
        device = torch.device(compute.device)
        torch.manual_seed(config.seed)
        model = build(config.model, **network_args(config, self.outputs))
        if start_weights is not None:
            model.load_state_dict({**model.state_dict(), **start_weights})
        self.model: ExpressionModel = model.to(device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.average = copy.deepcopy(self.model).requires_grad_(False) if config.ema_decay else None
        self._averaged = averaged_tensors(self.average, self.model) if self.average is not None else None
        self.optimizer = make_optimizer(config, self.model)
        # The whole set lies on the device as bytes: 66 MB for FER2013.
        self.images = torch.from_numpy(dataset.images[train].copy()).to(device)
        self._objectives = [Objective(output, train, config, device) for output in self.outputs]
        self.distillation: Distillation | None = None
        self.views: Views | None = None
        if teachers:
            self.distillation = Distillation(teachers, answered or self.outputs, self.outputs, config, compute)
        if self.distillation is not None and config.cached_views:
            faces, named = _viewed_faces(dataset, split)
            shown = torch.from_numpy(np.flatnonzero(np.isin(split.train, train)))
            self.views = Views(self.distillation, faces.to(device), shown.to(device), named, config, views)
        self.batch_size = min(config.batch_size, len(self.images))
        self.steps_per_epoch = len(self.images) // self.batch_size
        self.total_steps = self.steps_per_epoch * config.epochs
        self.generator = torch.Generator(device)
        self._recording = compute.device == "cuda"
        self._captured: CapturedStep | None = None
        self._frozen = False  # whether the last layer trains alone in the running epoch
        self.progress = Progress()
        # Validation goes through the one inference path, on a copy, so that nothing is switched on the model.
        self.classifiers = [
            Classifier(self._alone(output), self._info(output), compute.device) for output in self.outputs
        ]

    @property
    def classifier(self) -> Classifier:
        """The network as it was last validated; with several outputs, the one that is meant where none is named."""
        return self.classifiers[0]

    @property
    def info(self) -> CheckpointInfo:
        """What is known of :attr:`classifier` before it is trained."""
        return self.classifier.info

    def _alone(self, output: Output) -> ExpressionModel:
        """A copy of the network with one of its outputs."""
        if len(self.outputs) == 1:
            return copy.deepcopy(self.model)
        return select_outputs(self.model, range(output.columns.start, output.columns.stop))

    def _info(self, output: Output) -> CheckpointInfo:
        return CheckpointInfo(
            architecture=self.config.model,
            model_args={**self.config.model_args, "classes": len(output.classes)},
            labels=output.classes.names,
            preprocess=self.config.preprocess,
            prior=output.prior(self.split.train),
            target=output.target,
        )

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

    def weights(self, output: Output | None = None) -> dict[str, torch.Tensor]:
        """The weights that are validated and saved: the average where it is on, else the network's.

        Of the whole network, or with one of its outputs only.
        """
        weights: dict[str, torch.Tensor] = (self.average or self.model).state_dict()
        return weights if output is None else output_weights(weights, output.columns)

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
        started, seconds_before = time.perf_counter(), p.seconds
        order = self.epoch_order(p.epoch)
        if self.views is not None and not self.views.show(p.epoch % config.cached_views, should_stop):
            return None
        self._freeze(p.epoch < config.freeze_epochs)
        loss_sum = torch.tensor(p.loss_sum, dtype=torch.float64, device=self.images.device)
        correct = torch.tensor(p.correct, dtype=torch.float64, device=self.images.device)
        rate = 0.0
        while p.step < self.steps_per_epoch:
            rate = learning_rate(config, p.epoch * self.steps_per_epoch + p.step, self.total_steps)
            batch = order[p.step * self.batch_size : (p.step + 1) * self.batch_size]
            loss, hits = self.train_step(batch, p.epoch * self.steps_per_epoch + p.step, rate)
            loss_sum += loss * len(batch)
            correct += hits
            p.step += 1
            p.seen += len(batch)
            p.seconds = seconds_before + time.perf_counter() - started
            last = p.step == self.steps_per_epoch
            if self.compute.device == "cpu" or last or p.step % _SYNC_EVERY == 0:
                p.loss_sum, p.correct = float(loss_sum), float(correct)
                p.seconds = seconds_before + time.perf_counter() - started  # the device has caught up only now
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

    def _freeze(self, frozen: bool) -> None:
        """Train the last layer alone, or all layers; a step recorded for the other is recorded anew.

        Layers that are kept get no gradients, so the optimizer leaves them, their decay included.
        """
        self.model.train(not frozen)  # without dropout, and batch norm's statistics stay
        if frozen != self._frozen:
            self._frozen, self._captured = frozen, None

    def epoch_order(self, epoch: int) -> torch.Tensor:
        """Positions of the training faces in the order of an epoch, int64 (N,): a function of seed and epoch."""
        generator = torch.Generator().manual_seed(step_seed(self.config.seed, 1, epoch))
        return torch.randperm(len(self.images), generator=generator).to(self.images.device)

    def train_step(self, batch: torch.Tensor, step: int, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one optimizer step; returns the plain cross-entropy (without smoothing) and the number of hits."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        share = 1.0
        if config.mixup:
            share = float(np.random.default_rng(step_seed(config.seed, 4, step)).beta(config.mixup, config.mixup))
        plain, hits = self._gradients(batch, torch.tensor(share), step)
        if config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        if self._averaged is not None:
            update_average(*self._averaged, ema_decay(config.ema_decay, step))
        return plain, hits

    def _seed(self, step: int) -> None:
        torch.manual_seed(step_seed(self.config.seed, 2, step))  # dropout draws from the global generator
        self.generator.manual_seed(step_seed(self.config.seed, 3, step))

    def _gradients(self, batch: torch.Tensor, share: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the step's gradients with the parameters; on a GPU by replaying what the first step recorded."""
        if self._recording and self._captured is None:
            before = {name: value.clone() for name, value in self.model.state_dict().items()}
            try:
                self._captured = CapturedStep(self._compute_gradients, (batch, share.to(batch.device)), self.generator)
            except RuntimeError:  # a driver that cannot record; the numbers are the same, they only come later
                self._recording = False
            self.model.load_state_dict(before)  # the rehearsals have moved batch norm's statistics
        self._seed(step)
        if self._captured is not None:
            return self._captured(batch, share)
        return self._compute_gradients(batch, share.to(batch.device))

    def _compute_gradients(self, batch: torch.Tensor, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward and backward pass; returns the plain cross-entropy (without smoothing) and the number of hits.

        Args:
            batch: int64 (B,), positions of the training faces.
            share: float (), how much of each face remains under mixup; the rest is of its neighbour in the batch.
        """
        config = self.config
        answer = None
        if self.views is not None:
            pixels, answer = (part[batch].float() for part in self.views.current)
        else:
            pixels = self.images[batch].unsqueeze(1).float()
            pixels = augment(pixels, config.augment, self.generator, fill=255 * config.preprocess.mean)
        if config.mixup:
            # the order of an epoch is random, so a neighbour is a random partner
            pixels = share * pixels + (1 - share) * pixels.roll(1, 0)
        x = as_input(pixels, config.preprocess)
        with self.compute.autocast:
            logits = self._head_alone(x) if self._frozen else self.model(x)
        logits = logits.float()
        if self.distillation is not None and answer is None:
            answer = self.distillation.answer(x)
        parts = [objective(logits, batch, share, answer) for objective in self._objectives]
        loss = torch.stack([part.loss for part in parts]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        plain, hits = (torch.stack([getattr(part, name) for part in parts]).mean() for name in ("plain", "hits"))
        return plain.detach(), hits

    def _head_alone(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, with gradients for the last layer only."""
        with torch.no_grad():
            features = self.model.embedding(self.model.features(x))
        logits: torch.Tensor = self.model.classifier(features)
        return logits

    def _close_epoch(self, rate: float) -> EpochRecord:
        p = self.progress
        found = {output.target: self._figures(place) for place, output in enumerate(self.outputs)}
        means = {
            name: None if None in (values := [figures.to_dict()[name] for figures in found.values()]) else fmean(values)
            for name in OutputRecord.model_fields
        }
        record = EpochRecord(
            epoch=p.epoch + 1,
            train_loss=p.loss_sum / p.seen,
            train_accuracy=p.correct / p.seen,
            **means,
            learning_rate=rate,
            seconds=p.seconds,
            images_per_second=p.seen / p.seconds,
            outputs=found if len(found) > 1 else {},
        )
        self.progress = Progress(epoch=p.epoch + 1, history=[*p.history, record.to_dict()])
        return record

    def _figures(self, place: int) -> OutputRecord:
        """Validate one of the outputs."""
        output = self.outputs[place]
        self.classifiers[place].model.load_state_dict(self.weights(output))
        valid_loss, valid_accuracy = self._validate(place, self.split.valid)
        honest = (None, None) if self.split.leak_free is None else self._validate(place, self.split.leak_free)
        return OutputRecord(
            valid_loss=valid_loss, valid_accuracy=valid_accuracy, honest_loss=honest[0], honest_accuracy=honest[1]
        )

    def _validate(self, place: int, faces: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Cross-entropy to the targets, and accuracy, on those of ``faces`` that have a correct class."""
        output, batch_size = self.outputs[place], _VALIDATED_AT_ONCE[self.compute.device]
        faces = output.judged(faces)
        try:
            logits = self.classifiers[place].logits(self.dataset.images[faces], batch_size)
        except ModelError as error:
            raise TrainingError(
                f"The network's answers are not finite numbers after epoch {self.progress.epoch + 1}. "
                "Lower the learning rate. The last good weights are kept."
            ) from error
        accuracy = metrics.accuracy(output.truth[faces], logits.argmax(axis=1).astype(np.int64))
        return output.cross_entropy(logits, faces), accuracy

    def targets_key(self) -> str:
        """Names what is learned of people's votes; "" where nothing is. The data set's fingerprint leaves them out."""
        votes = [output.targets[self.split.train] for output in self.outputs if output.target == "votes"]
        return hashlib.sha256(votes[0].tobytes()).hexdigest() if votes else ""

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


def _viewed_faces(dataset: FaceDataset, split: ProtocolSplit) -> tuple[torch.Tensor, str]:
    """All faces that the split trains on, uint8 (M, 48, 48), and what names them."""
    positions = hashlib.sha256(split.train.tobytes()).hexdigest()
    return torch.from_numpy(dataset.images[split.train].copy()), f"{dataset.cache_key} {positions}"
