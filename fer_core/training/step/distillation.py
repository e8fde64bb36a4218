"""Distillation: the teachers' averaged answer to the faces a network is shown, and views that are kept with it."""

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
from fer_core.training.outputs import Output
from fer_core.training.step.augment import augment
from fer_core.training.step.inputs import as_input, step_seed

TEACHER_BATCH_SIZE: Final = 1024
"""Faces shown to the teachers at once."""

View = tuple[torch.Tensor, torch.Tensor]
"""Faces changed at random once, uint8 (N, 1, 48, 48), and the teachers' answer to them, float (N, C)."""


class KeptViews:
    """Views by number, of one kind at a time; trainings that are given the same object share them.

    The kind is all that a view follows from: faces, random changes, teachers. Asking for another kind frees the last.
    """

    def __init__(self) -> None:
        self._kind, self._views = "", dict[int, View]()

    def get(self, kind: str, number: int) -> View | None:
        """The view, where it was kept."""
        return self._views.get(number) if kind == self._kind else None

    def keep(self, kind: str, number: int, view: View) -> None:
        """Keep a view."""
        if kind != self._kind:
            self._kind, self._views = kind, {}
        self._views[number] = view


class Distillation:
    """The teachers of one training.

    Attributes:
        teachers: functions of input float (N, 1, 48, 48) to logits float (N, all classes of ``answered``).
        answered: the outputs of each teacher.
    """

    def __init__(
        self,
        teachers: Sequence[torch.nn.Module],
        answered: Sequence[Output],
        outputs: Sequence[Output],
        config: TrainConfig,
        compute: Compute,
    ) -> None:
        """Copy the teachers to the device, so that nothing is switched on networks that others use.

        Args:
            teachers: networks with the outputs in ``answered``, which has all those of the training and may have more:
                then trainings with different outputs can share their views.
            answered: the outputs of each teacher.
            outputs: those of the training.
            config: all settings.
            compute: where, and in which precision.
        """
        device = torch.device(compute.device)
        own = [copy.deepcopy(teacher).to(device).requires_grad_(False) for teacher in teachers]
        self.teachers: list[Callable[..., Any]] = [fold_batch_norm(teacher.eval()) for teacher in own]
        self.answered, self._config, self._compute = answered, config, compute
        columns = {output.target: output.columns for output in answered}
        places = torch.arange(sum(len(output.classes) for output in answered), device=device)
        self._columns = torch.cat([places[columns[output.target]] for output in outputs])

    def answer(self, x: torch.Tensor) -> torch.Tensor:
        """The answer for the outputs of the training, float (N, all its classes)."""
        return self.own_part(self.whole_answer(x))

    def own_part(self, answer: torch.Tensor) -> torch.Tensor:
        """Of a :meth:`whole_answer` that for the outputs of the training."""
        return answer[:, self._columns]

    @torch.no_grad()
    def whole_answer(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over the teachers of softmax(logits / temperature) of each answered output, float (N, all classes)."""
        with self._compute.autocast:
            logits = (
                torch.stack([teacher(x).float() for teacher in self.teachers]) / self._config.distillation_temperature
            )
        return torch.cat([F.softmax(logits[..., o.columns], dim=-1).mean(dim=0) for o in self.answered], dim=1)


class Views:
    """What a training shows its network instead of changing the faces anew in each epoch.

    Views are made of all faces that the split trains on, also of those the training has no target for: so trainings
    with other targets have the same ones.

    Attributes:
        current: the running epoch's, of the training's own faces and with the answers for its outputs. Always in the
            same place, since a recorded step reads there.
    """

    current: View

    def __init__(
        self,
        distillation: Distillation,
        faces: torch.Tensor,
        shown: torch.Tensor,
        names: str,
        config: TrainConfig,
        kept: KeptViews | None = None,
    ) -> None:
        """Make no view yet.

        Args:
            distillation: whose answers are kept.
            faces: uint8 (M, 48, 48), on the device.
            shown: int64 (N,), which of them the training has.
            names: what names ``faces``.
            config: all settings.
            kept: shared with other trainings; own ones when None.
        """
        self._distillation, self._faces, self._shown, self._config = distillation, faces, shown, config
        self._kept = kept if kept is not None else KeptViews()
        self._generator, self._begun = torch.Generator(faces.device), False
        said = config.model_dump(
            mode="json", include={"augment", "preprocess", "seed", "teachers", "distillation_temperature"}
        )
        answered = [(o.target, *o.classes) for o in distillation.answered]
        self._kind = hashlib.sha256(json.dumps([names, said, answered]).encode()).hexdigest()

    def show(self, number: int, should_stop: Callable[[], bool] | None = None) -> bool:
        """Make view ``number`` the running epoch's, asking the teachers when it is new; False when stopped on the way."""
        view = self._kept.get(self._kind, number) or self._make(number, should_stop)
        if view is None:
            return False
        self._kept.keep(self._kind, number, view)
        own = view[0][self._shown], self._distillation.own_part(view[1][self._shown])
        if not self._begun:
            self.current, self._begun = own, True
        for place, values in zip(self.current, own, strict=True):
            place.copy_(values)
        return True

    def _make(self, number: int, should_stop: Callable[[], bool] | None) -> View | None:
        config, n = self._config, len(self._faces)
        self._generator.manual_seed(step_seed(config.seed, 5, number))
        pixels, answers = torch.empty_like(self._faces).unsqueeze(1), []
        for start in range(0, n, TEACHER_BATCH_SIZE):
            if should_stop and should_stop():
                return None
            part = slice(start, start + TEACHER_BATCH_SIZE)
            before = self._faces[part].unsqueeze(1).float()
            pixels[part] = augment(before, config.augment, self._generator, 255 * config.preprocess.mean).round()
            answers.append(self._distillation.whole_answer(as_input(pixels[part].float(), config.preprocess)))
        return pixels, torch.cat(answers)
