"""The training loop: takes settings and faces, returns epoch records. It knows neither a screen nor a run directory.

All randomness of a step is a function of (seed, step): the order of an epoch, augmentation, mixup and dropout are
reseeded at every step. A resumed training therefore needs only the step number, and its final weights are bit-identical
to those of an uninterrupted training (CPU, same machine, same number of threads).
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
from fer_core.training.distributed.group import Group
from fer_core.training.outputs import Output, make_outputs, split_for_targets
from fer_core.training.runs import EpochRecord, OutputRecord
from fer_core.training.step.augment import augment
from fer_core.training.step.cuda_graph import CudaGraphStep
from fer_core.training.step.distillation import Distillation, ViewCache, Views
from fer_core.training.step.inputs import network_input, step_seed
from fer_core.training.step.objective import Objective
from fer_core.training.step.optimizer import averaged_tensors, ema_decay, learning_rate, make_optimizer, update_average

_SYNC_EVERY = 20  # steps between reads of the loss on a GPU; each read waits for the device
_VALIDATION_BATCH_SIZE = {"cpu": 256, "cuda": 2048}  # small batches stay in a processor's cache but starve a GPU


@dataclass
class Progress:
    """The position of a training; sums are over the current epoch."""

    epoch: int = 0  # epochs completed
    step: int = 0  # steps completed in the current epoch
    loss_sum: float = 0.0
    correct: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def torch_settings(compute: Compute) -> Iterator[None]:
    """Set the number of threads and isolate the global random state while a training runs; restore both afterwards."""
    threads, searching = torch.get_num_threads(), torch.backends.cudnn.benchmark
    devices = [torch.cuda.current_device()] if compute.device == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.set_num_threads(compute.threads)
        torch.backends.cudnn.benchmark = (
            compute.device == "cuda"
        )  # all batches have the same shape, so the search pays off
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark = searching


def network_args(config: TrainConfig, outputs: Sequence[Output]) -> dict[str, Any]:
    """Return the architecture's arguments for a network with one logit per class of each output.

    Raises:
        ConfigError: the settings ask for a different number of logits.
    """
    wanted = sum(len(output.classes) for output in outputs)
    asked = config.model_args.get("classes", wanted)
    if asked != wanted:
        classes = "; ".join(", ".join(output.classes) for output in outputs)
        raise ConfigError(
            f"model_args asks for {asked} classes, but the data has {wanted} ({classes}). "
            "Remove 'classes' from model_args; it follows from the data."
        )
    return {**config.model_args, "classes": wanted}


class Training:
    """One training, driven epoch by epoch: ``while not t.finished: record = t.run_epoch()``.

    Args:
        config: all settings.
        dataset: the faces; ``config.targets`` decides which outputs the network gets for them.
        split: which of the faces train and which validate.
        compute: device, precision and threads.
        initial_weights: values for some or all of the network's tensors, by name; the others start at random.
        teachers: networks with the outputs of the training, in the same order.
        teacher_outputs: the outputs of the teachers, if they have more than the training.
        views: cached views to share with other trainings; None creates a new cache.
        group: the processes that share this training; None trains alone.

    Raises:
        ConfigError, DataError, ModelError: the settings do not fit the data, the architecture does not exist, or there
            are more processes than faces in a batch.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: FaceDataset,
        split: ProtocolSplit,
        compute: Compute,
        initial_weights: dict[str, torch.Tensor] | None = None,
        teachers: Sequence[torch.nn.Module] = (),
        teacher_outputs: Sequence[Output] = (),
        views: ViewCache | None = None,
        group: Group | None = None,
    ) -> None:
        self.config, self.compute, self.dataset = config, compute, dataset
        self.group = group or Group()
        self.outputs = make_outputs(dataset, config.targets)
        self.split, self.notes = split_for_targets(dataset, split, self.outputs, config)
        train = self.split.train
        device = torch.device(compute.device)
        torch.manual_seed(config.seed)
        model = build(config.model, **network_args(config, self.outputs))
        if initial_weights is not None:
            model.load_state_dict({**model.state_dict(), **initial_weights})
        self.model: ExpressionModel = model.to(device, compute.dtype)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.average = copy.deepcopy(self.model).requires_grad_(False) if config.ema_decay else None
        self._averaged = averaged_tensors(self.average, self.model) if self.average is not None else None
        self.optimizer = make_optimizer(config, self.model)
        # All training faces stay on the device as bytes: 66 MB for FER2013.
        self.images = torch.from_numpy(dataset.images[train].copy()).to(device)
        self._objectives = [Objective(output, train, config, device) for output in self.outputs]
        self.distillation: Distillation | None = None
        self.views: Views | None = None
        if teachers:
            self.distillation = Distillation(teachers, teacher_outputs or self.outputs, self.outputs, config, compute)
        if self.distillation is not None and config.cached_views:
            faces, named = _viewed_faces(dataset, split)
            shown = torch.from_numpy(np.flatnonzero(np.isin(split.train, train)))
            self.views = Views(self.distillation, faces.to(device), shown.to(device), named, config, views, self.group)
        self.batch_size = min(config.batch_size, len(self.images))
        if self.group.size > self.batch_size:
            raise ConfigError(
                f"{self.group.size} processes cannot share a batch of {self.batch_size} faces, because each needs one. Start "
                f"at most {self.batch_size} processes (--nproc-per-node)"
                + ("." if config.batch_size > self.batch_size else ", or set a larger batch_size.")
            )
        self.steps_per_epoch = len(self.images) // self.batch_size
        self.total_steps = self.steps_per_epoch * config.epochs
        self.generator = torch.Generator(device)
        self._use_cuda_graph = compute.device == "cuda" and self.group.alone
        self.step_note = (
            "" if self.group.alone else f"{self.group.size} processes share each batch of {self.batch_size} faces."
        )
        """How steps are executed on a GPU, or shared by processes, for the log; empty on a CPU alone and before the first step."""
        self._graph_step: CudaGraphStep | None = None
        self._frozen = False  # whether only the last layer trains in the current epoch
        self.progress = Progress()
        # Validation uses the shared inference path, on a copy, so that the model itself stays in training mode.
        self.classifiers = [
            Classifier(self._single_output_model(output).float(), self._info(output), compute.device)
            for output in self.outputs
        ]
        self.group.share_layers(self.model, self.batch_size, compute.device)
        self._trained = self.group.wrap(self.model)

    @property
    def classifier(self) -> Classifier:
        """The network as last validated; with several outputs, the default output."""
        return self.classifiers[0]

    @property
    def info(self) -> CheckpointInfo:
        """The record of :attr:`classifier` before training."""
        return self.classifier.info

    def _single_output_model(self, output: Output) -> ExpressionModel:
        """Return a copy of the network with only this output."""
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
        """Whether all epochs are done or early stopping applies."""
        if self.progress.epoch >= self.config.epochs:
            return True
        records = self.records()
        if not self.config.patience or not records:
            return False
        best = min(records, key=lambda r: (-r.valid_accuracy, r.valid_loss, r.epoch))
        return records[-1].epoch - best.epoch >= self.config.patience

    def records(self) -> list[EpochRecord]:
        """Return the records of the completed epochs."""
        return [EpochRecord.model_validate(record) for record in self.progress.history]

    def weights(self, output: Output | None = None) -> dict[str, torch.Tensor]:
        """Return the weights that are validated and saved: the EMA if it is on, otherwise the network's own.

        Args:
            output: return only the weights of this output and the trunk; None returns all.
        """
        weights: dict[str, torch.Tensor] = (self.average or self.model).state_dict()
        return weights if output is None else output_weights(weights, output.columns)

    def run_epoch(
        self,
        on_step: Callable[[Progress, float], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> EpochRecord | None:
        """Train to the end of the current epoch and validate.

        Args:
            on_step: called after each step with the progress and the learning rate.
            should_stop: called after each step; the epoch is interrupted when it returns True.

        Returns:
            The epoch's record, or None if the epoch was interrupted.

        Raises:
            TrainingError: the loss is NaN or infinite.
        """
        p, config = self.progress, self.config
        should_stop = self.group.agreed(should_stop, 1 if self.compute.device == "cpu" else _SYNC_EVERY)
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
                p.seconds = seconds_before + time.perf_counter() - started  # reading the loss has waited for the device
                if not math.isfinite(p.loss_sum):
                    raise TrainingError(
                        f"The loss became NaN or infinite in epoch {p.epoch + 1}, step {p.step}. "
                        f"Lower the learning rate (its peak is {config.learning_rate:g}), or set gradient clipping to 1. "
                        "The weights of the best epoch so far are saved."
                    )
                if on_step:
                    on_step(p, rate)
            if not last and should_stop and should_stop():
                p.loss_sum, p.correct = float(loss_sum), float(correct)
                return None
        return self._close_epoch(rate)

    def _freeze(self, frozen: bool) -> None:
        """Switch between training the last layer only and training all layers; this discards a captured CUDA graph.

        Frozen layers get no gradients, so the optimizer skips them, weight decay included.
        """
        self.model.train(not frozen)  # frozen: no dropout, and fixed batch-norm statistics
        if frozen != self._frozen:
            self._frozen, self._graph_step = frozen, None
            self._trained = self.group.wrap(self.model.classifier if frozen else self.model)

    def epoch_order(self, epoch: int) -> torch.Tensor:
        """Return the positions of the training faces in the order of an epoch, int64 (N,), from seed and epoch."""
        generator = torch.Generator().manual_seed(step_seed(self.config.seed, 1, epoch))
        return torch.randperm(len(self.images), generator=generator).to(self.images.device)

    def train_step(self, batch: torch.Tensor, step: int, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one optimizer step; return the cross-entropy without label smoothing and the number of correct faces."""
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
        """Compute the step's gradients into the parameters; on a GPU by replaying a captured CUDA graph."""
        if self._use_cuda_graph and self._graph_step is None:
            before = {name: value.clone() for name, value in self.model.state_dict().items()}
            try:
                self._graph_step = CudaGraphStep(
                    self._compute_gradients, (batch, share.to(batch.device)), self.generator
                )
                self.step_note = "Training steps are captured once as a CUDA graph and replayed."
            except RuntimeError as error:  # some drivers cannot capture; the results are the same, only slower
                self._use_cuda_graph = False
                self.step_note = f"Training steps run without a CUDA graph: {error}."
            self.model.load_state_dict(before)  # the warm-up steps changed the batch-norm statistics
        self._seed(step)
        if self._graph_step is not None:
            return self._graph_step(batch, share)
        return self._compute_gradients(batch, share.to(batch.device))

    def _compute_gradients(self, batch: torch.Tensor, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the forward and backward pass; return the cross-entropy without smoothing and the number of correct faces.

        Args:
            batch: int64 (B,), positions of the training faces.
            share: float (), the weight of each face under mixup; its neighbor in the batch has the rest.
        """
        config, group = self.config, self.group
        part = group.part(len(batch), neighbor=bool(config.mixup))
        faces = batch[part.prepared]
        teacher_probabilities = None
        if self.views is not None:
            pixels, teacher_probabilities = (view[faces].to(self.compute.dtype) for view in self.views.current)
        else:
            pixels = self.images[faces].unsqueeze(1).float()
            pixels = augment(pixels, config.augment, self.generator, 255 * config.preprocess.mean, part)
        if config.mixup:
            # the order of an epoch is random, so the neighbor is a random partner
            pixels = share * pixels + (1 - share) * pixels.roll(1, 0)
        x = network_input(pixels[part.extra :].to(self.compute.dtype), config.preprocess)
        with self.compute.autocast:
            logits = self._trained(self._last_features(x) if self._frozen else x)
        logits = group.combine(logits.to(self.compute.dtype), part)
        if self.distillation is not None:
            if teacher_probabilities is None:
                teacher_probabilities = self.distillation.probabilities(x)
            teacher_probabilities = group.combine(teacher_probabilities, part)
        parts = [objective(logits, batch, share, teacher_probabilities) for objective in self._objectives]
        loss = torch.stack([part.loss for part in parts]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        plain, hits = (torch.stack([getattr(part, name) for part in parts]).mean() for name in ("plain", "hits"))
        return plain.detach(), hits

    @torch.no_grad()
    def _last_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input of the last layer, without gradients: the layers before it are frozen."""
        return self.model.embedding(self.model.features(x))

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
        """Validate one output."""
        output = self.outputs[place]
        self.classifiers[place].model.load_state_dict(self.weights(output))
        valid_loss, valid_accuracy = self._validate(place, self.split.valid)
        honest = (None, None) if self.split.leak_free is None else self._validate(place, self.split.leak_free)
        return OutputRecord(
            valid_loss=valid_loss, valid_accuracy=valid_accuracy, honest_loss=honest[0], honest_accuracy=honest[1]
        )

    def _validate(self, place: int, faces: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Return cross-entropy to the targets and accuracy on those of ``faces`` that have a true class."""
        output, batch_size = self.outputs[place], _VALIDATION_BATCH_SIZE[self.compute.device]
        faces = output.with_truth(faces)
        try:
            logits = self.group.logits(self.classifiers[place], self.dataset.images[faces], batch_size)
        except ModelError as error:
            raise TrainingError(
                f"The network's logits became NaN or infinite after epoch {self.progress.epoch + 1}. "
                "Lower the learning rate. The weights of the best epoch so far are saved."
            ) from error
        accuracy = metrics.accuracy(output.truth[faces], logits.argmax(axis=1).astype(np.int64))
        return output.cross_entropy(logits, faces), accuracy

    def targets_key(self) -> str:
        """Return a hash of the votes targets, which the dataset fingerprint does not cover; "" without a votes output."""
        votes = [output.targets[self.split.train] for output in self.outputs if output.target == "votes"]
        return hashlib.sha256(votes[0].tobytes()).hexdigest() if votes else ""

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume: tensors and plain values only."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(self.progress).copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state returned by :meth:`state_dict`."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])


def _viewed_faces(dataset: FaceDataset, split: ProtocolSplit) -> tuple[torch.Tensor, str]:
    """Return all training faces of the split, uint8 (M, 48, 48), and a key that identifies them."""
    positions = hashlib.sha256(split.train.tobytes()).hexdigest()
    return torch.from_numpy(dataset.images[split.train].copy()), f"{dataset.cache_key} {positions}"
