"""The processes of one training, as the training loop sees them: who takes which faces, and how results come together.

Every process computes the loss of the whole batch from gathered logits, so that class weights, soft targets, mixup and
distillation need no special case; its gradient is that of its own faces. DistributedDataParallel averages gradients, so
:meth:`Group.combine` multiplies them by the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fer_core.errors import ModelError
from fer_core.inference import Classifier
from fer_core.training.distributed.layers import share_layers
from fer_core.training.distributed.part import Part, share


@dataclass(frozen=True)
class Group:
    """The processes of one training; with the defaults, a process that trains alone and exchanges nothing."""

    rank: int = 0
    size: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is only this process."""
        return self.size == 1

    def part(self, total: int, neighbor: bool) -> Part:
        """Return this process's part of a batch; see :meth:`Part.of`."""
        return Part.of(self.rank, self.size, total, neighbor)

    def faces_per_step(self, total: int) -> dict[str, Any]:
        """Return how many faces of a step all processes and each process take: ``{"global": 128, "per_process": [64, 64]}``."""
        parts = [share(rank, self.size, total) for rank in range(self.size)]
        return {"global": total, "per_process": [part.stop - part.start for part in parts]}

    def share_layers(self, model: nn.Module, total: int, device: str) -> None:
        """Make batch norm and dropout of ``model`` compute on the whole batch of ``total`` faces, in place.

        Raises:
            ModelError: see :func:`fer_core.training.distributed.layers.share_layers`.
        """
        if not self.alone:
            share_layers(model, self.part(total, neighbor=False), device)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return ``module`` with gradients averaged over the processes; a process alone gets it back unchanged."""
        if self.alone:
            return module
        # Running statistics are equal everywhere already, because batch norm is shared.
        return DistributedDataParallel(module, forward_sync_buffers=False)

    def combine(self, own: torch.Tensor, part: Part) -> torch.Tensor:
        """Return the rows of all processes, float (total, ...), given this process's; gradients flow to its own rows."""
        if self.alone:
            return own
        gathered: torch.Tensor = _Combine.apply(own, part, self.size)  # type: ignore[no-untyped-call]
        return gathered

    def any(self, flag: bool) -> bool:
        """Return whether any process says True, so that all decide alike."""
        if self.alone:
            return flag
        value = torch.tensor(int(flag))
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value)

    def logits(
        self, classifier: Classifier, faces: npt.NDArray[np.generic], batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Return the same logits as ``classifier.logits``, computed by all processes; each takes whole batches.

        Raises:
            ModelError: the logits are NaN or infinite, in any process.
        """
        if self.alone:
            return classifier.logits(faces, batch_size)
        batches = share(self.rank, self.size, -(-len(faces) // batch_size))
        own = faces[batches.start * batch_size : batches.stop * batch_size]
        failure = None
        whole = np.zeros((len(faces), len(classifier.labels)), np.float32)
        try:
            whole[batches.start * batch_size :][: len(own)] = classifier.logits(own, batch_size)
        except ModelError as error:
            failure = error
        if self.any(failure is not None):
            raise failure or ModelError("The network's logits became NaN or infinite in another process.")
        dist.all_reduce(torch.from_numpy(whole))  # each row is zero but in one process, so the sum is exact
        return whole

    def agreed(self, should_stop: Callable[[], bool] | None, every: int = 1) -> Callable[[], bool] | None:
        """Return a function with one answer for all processes: whether any of them should stop.

        Args:
            should_stop: this process's own answer; None means no.
            every: ask only at every n-th call, because asking costs an exchange.
        """
        if self.alone:
            return should_stop
        calls = 0

        def ask() -> bool:
            nonlocal calls
            calls += 1
            return calls % every == 0 and self.any(bool(should_stop and should_stop()))

        return ask


class _Combine(torch.autograd.Function):
    """Rows of all processes from those of each."""

    @staticmethod
    def forward(ctx: Any, own: torch.Tensor, part: Part, size: int) -> torch.Tensor:
        ctx.own, ctx.size = part.own, size
        whole = own.new_zeros((part.total, *own.shape[1:]))
        whole[part.own] = own
        dist.all_reduce(whole)  # each row is zero but in one process, so the sum is exact
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradients[0][ctx.own] * ctx.size, None, None
