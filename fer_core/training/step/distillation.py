"""Distillation: the teachers' averaged probabilities, and cached views of the training faces with them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F

from fer_core.config import TrainConfig
from fer_core.inference.engines import fold_batch_norm
from fer_core.training.device import Compute
from fer_core.training.distributed.group import Group
from fer_core.training.outputs import Output
from fer_core.training.step.augment import augment
from fer_core.training.step.inputs import network_input, step_seed

TEACHER_BATCH_SIZE: Final = 1024
"""Faces per batch of the teachers."""

View = tuple[torch.Tensor, torch.Tensor]
"""Augmented faces, uint8 (N, 1, 48, 48), and the teachers' probabilities for them, float (N, C)."""


class ViewCache:
    """Caches views by number, for one configuration at a time; trainings share it by sharing the object.

    The configuration is everything that determines a view: faces, augmentation, teachers. A new configuration replaces
    the previous one.
    """

    def __init__(self) -> None:
        self._configuration, self._views = "", dict[int, View]()

    def get(self, configuration: str, number: int) -> View | None:
        """Return a cached view, or None."""
        return self._views.get(number) if configuration == self._configuration else None

    def put(self, configuration: str, number: int, view: View) -> None:
        """Cache a view."""
        if configuration != self._configuration:
            self._configuration, self._views = configuration, {}
        self._views[number] = view


class Distillation:
    """The teachers of one training.

    Attributes:
        teachers: functions from input float (N, 1, 48, 48) to logits float (N, all classes of ``teacher_outputs``).
        teacher_outputs: the outputs of each teacher.
        dtype: the type of inputs and probabilities.
    """

    def __init__(
        self,
        teachers: Sequence[torch.nn.Module],
        teacher_outputs: Sequence[Output],
        outputs: Sequence[Output],
        config: TrainConfig,
        compute: Compute,
    ) -> None:
        """Copy the teachers to the device; the originals stay unchanged.

        Args:
            teachers: networks with the outputs in ``teacher_outputs``.
            teacher_outputs: the outputs of each teacher. They include all outputs of the training and may include more,
                so that trainings with different outputs can share views.
            outputs: the outputs of the training.
            config: all settings.
            compute: device and precision.
        """
        device = torch.device(compute.device)
        self.dtype = compute.dtype
        own = [copy.deepcopy(teacher).to(device, compute.dtype).requires_grad_(False) for teacher in teachers]
        self.teachers: list[Callable[..., Any]] = [fold_batch_norm(teacher.eval()) for teacher in own]
        self.teacher_outputs, self._config, self._compute = teacher_outputs, config, compute
        columns = {output.target: output.columns for output in teacher_outputs}
        positions = torch.arange(sum(len(output.classes) for output in teacher_outputs), device=device)
        self._columns = torch.cat([positions[columns[output.target]] for output in outputs])

    def probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Return the averaged probabilities for the outputs of the training, float (N, all its classes)."""
        return self.for_training(self.all_probabilities(x))

    def for_training(self, all_probabilities: torch.Tensor) -> torch.Tensor:
        """Select the columns of the training's outputs from :meth:`all_probabilities`."""
        return all_probabilities[:, self._columns]

    @torch.no_grad()
    def all_probabilities(self, x: torch.Tensor) -> torch.Tensor:
        """Return softmax(logits / temperature) of each output, averaged over teachers, float (N, all classes)."""
        temperature = self._config.distillation_temperature
        with self._compute.autocast:
            logits = torch.stack([teacher(x).to(self.dtype) for teacher in self.teachers]) / temperature
        return torch.cat([F.softmax(logits[..., o.columns], dim=-1).mean(dim=0) for o in self.teacher_outputs], dim=1)


class Views:
    """Provides cached views to a training, instead of augmenting the faces anew in every epoch.

    A view covers all training faces of the split, including faces without a target for this training, so that trainings
    on other targets can share it.

    Attributes:
        current: the view of the current epoch: the training's own faces, and the probabilities for its outputs. The
            tensors stay at the same address, because a captured CUDA graph reads them.
    """

    current: View

    def __init__(
        self,
        distillation: Distillation,
        faces: torch.Tensor,
        own: torch.Tensor,
        faces_key: str,
        config: TrainConfig,
        cache: ViewCache | None = None,
        group: Group | None = None,
    ) -> None:
        """Create the provider; views are computed by :meth:`show`.

        Args:
            distillation: the teachers.
            faces: uint8 (M, 48, 48), on the device.
            own: int64 (N,), positions in ``faces`` of the training's own faces.
            faces_key: identifies ``faces``.
            config: all settings.
            cache: a cache to share with other trainings; None creates a new one.
            group: the processes that share the teachers' work; None means this one only.
        """
        self._distillation, self._faces, self._own, self._config = distillation, faces, own, config
        self._cache, self._group = cache if cache is not None else ViewCache(), group or Group()
        self._generator, self._allocated = torch.Generator(faces.device), False
        settings = config.model_dump(
            mode="json", include={"augment", "preprocess", "seed", "teachers", "distillation_temperature"}
        )
        outputs = [(o.target, *o.classes) for o in distillation.teacher_outputs]
        self._configuration = hashlib.sha256(json.dumps([faces_key, settings, outputs]).encode()).hexdigest()

    def show(self, number: int, should_stop: Callable[[], bool] | None = None) -> bool:
        """Make view ``number`` the current one, computing it if it is not cached; return False if interrupted."""
        view = self._cache.get(self._configuration, number) or self._compute(number, should_stop)
        if view is None:
            return False
        self._cache.put(self._configuration, number, view)
        own = view[0][self._own], self._distillation.for_training(view[1][self._own])
        if not self._allocated:
            self.current, self._allocated = own, True
        for target, values in zip(self.current, own, strict=True):
            target.copy_(values)
        return True

    def _compute(self, number: int, should_stop: Callable[[], bool] | None) -> View | None:
        config, n = self._config, len(self._faces)
        self._generator.manual_seed(step_seed(config.seed, 5, number))
        pixels, probabilities = torch.empty_like(self._faces).unsqueeze(1), []
        for start in range(0, n, TEACHER_BATCH_SIZE):
            if should_stop and should_stop():
                return None
            part = slice(start, start + TEACHER_BATCH_SIZE)
            original = self._faces[part].unsqueeze(1).float()
            pixels[part] = augment(original, config.augment, self._generator, 255 * config.preprocess.mean).round()
            shared = self._group.part(len(original), neighbor=False)
            x = network_input(pixels[part][shared.own].to(self._distillation.dtype), config.preprocess)
            probabilities.append(self._group.combine(self._distillation.all_probabilities(x), shared))
        return pixels, torch.cat(probabilities)
