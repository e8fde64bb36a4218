"""The processes of a training that ``torchrun`` started: joining, preparing alike, and leaving together."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import torch
import torch.distributed as dist

from fer_core.config import TrainConfig
from fer_core.errors import ConfigError, ModelError, TrainingError
from fer_core.inference.checkpoint import load_plain
from fer_core.training.device import Compute, library_versions
from fer_core.training.distributed.group import Group
from fer_core.training.distributed.launch import Launch
from fer_core.training.distributed.meeting import Meeting

if TYPE_CHECKING:
    from fer_core.training.loop import Training

_EXCHANGE_LIMIT: Final = timedelta(minutes=10)  # a machine that vanished without a word is noticed after this time
_LOST: Final = re.compile(r"gloo|nccl|connection|timed out|broken pipe", re.IGNORECASE)
"""What the messages of PyTorch's exchanges contain when another process is gone; most have no class of their own."""
_LOST_PROCESS: Final = (
    "Another process of this training ended, or its machine can no longer be reached. Run the same command again, or resume "
    "the run: the training goes on from its last checkpoint."
)
_PATHS: Final = frozenset(("data", "votes", "init_from", "teachers"))
"""Settings that may differ between machines; what they lead to is compared instead."""


class Processes:
    """This process among those that ``torchrun`` started for one training; one process alone exchanges nothing."""

    def __init__(self, launch: Launch) -> None:
        """Meet the other processes, and choose this process's GPU if there is one.

        Raises:
            TrainingError: some processes did not start, or the first machine does not answer.
        """
        self.launch = launch
        self._meeting = Meeting(launch) if launch.size > 1 else None
        if torch.cuda.is_available() and launch.local_rank < torch.cuda.device_count():
            torch.cuda.set_device(launch.local_rank)

    @property
    def first(self) -> bool:
        """Whether this is process 0, which alone writes the run."""
        return self.launch.rank == 0

    @property
    def group(self) -> Group:
        """The processes as the training loop sees them."""
        return Group(self.launch.rank, self.launch.size)

    def in_turn(self) -> AbstractContextManager[None]:
        """Return a context in which the first process of a machine reads the data before the others find it in the cache."""
        return self._meeting.in_turn("data") if self._meeting else nullcontext()

    def settings(self, config: TrainConfig | None) -> TrainConfig:
        """Return the settings of process 0, with this process's own paths if it has settings of its own.

        Raises:
            TrainingError: process 0 failed.
        """
        if self._meeting is None:
            assert config is not None
            return config
        if self.first:
            assert config is not None
            self._meeting.put("settings", json.dumps(config.to_dict()))
        theirs = TrainConfig.parse(self._meeting.get("settings"))
        return config or theirs

    def begin(self, config: TrainConfig, compute: Compute, loaded: Mapping[str, str]) -> None:
        """Compare what all processes prepared, and connect them.

        Args:
            config: the settings of this process.
            compute: its device and precision.
            loaded: hashes of what it loaded, by a name for messages.

        Raises:
            TrainingError: the processes differ in versions, settings, data or device, or one of them failed.
            ConfigError: there are more processes on this machine than GPUs.
        """
        if compute.device == "cuda" and self.launch.local_size > torch.cuda.device_count():
            raise ConfigError(
                f"torchrun started {self.launch.local_size} processes, but this machine has {torch.cuda.device_count()} "
                "GPUs. Give --nproc-per-node the number of GPUs, or train on the processor with --set device=cpu."
            )
        if self._meeting is None:
            return
        settings = {name: value for name, value in config.to_dict().items() if name not in _PATHS}
        mine = {
            "process": self.launch.name,
            "version": {name: library_versions().get(name, "none") for name in ("fer-lab", "torch", "numpy")},
            "setting": {name: json.dumps(value) for name, value in settings.items()},
            "loaded": dict(loaded),
            "device": {"device": compute.device, "precision": compute.precision},
        }
        compare([json.loads(text) for text in self._meeting.exchange("prepared", json.dumps(mine))])
        backend = "cpu:gloo,cuda:nccl" if compute.device == "cuda" else "gloo"
        dist.init_process_group(
            backend,
            store=self._meeting.store("group"),
            rank=self.launch.rank,
            world_size=self.launch.size,
            timeout=_EXCHANGE_LIMIT,
        )

    def share_state(self, training: Training) -> None:
        """Give all processes the weights, optimizer state and progress of process 0."""
        if self._meeting is None:
            return
        state = io.BytesIO()
        if self.first:
            torch.save(training.state_dict(), state)
        length = torch.tensor(len(state.getbuffer()))
        dist.broadcast(length, 0)
        data = torch.frombuffer(bytearray(state.getvalue() or bytes(int(length))), dtype=torch.uint8)
        dist.broadcast(data, 0)
        if not self.first:
            training.load_state_dict(load_plain(io.BytesIO(data.numpy().tobytes()), training.compute.device))

    def leave(self) -> None:
        """Wait until all processes are done.

        Raises:
            TrainingError: one of them failed.
        """
        if self._meeting is None:
            return
        self._meeting.part()
        if dist.is_initialized():
            dist.destroy_process_group()

    def fail(self, reason: str) -> None:
        """Tell the other processes why this one gives up; the first reason counts."""
        if self._meeting is not None:
            with suppress(RuntimeError):  # nobody may be left to tell
                self._meeting.fail(reason)

    @contextmanager
    def losses_explained(self) -> Iterator[None]:
        """Turn PyTorch's errors about lost processes, raised in the block, into errors that say what happened.

        Raises:
            TrainingError: another process was lost, or failed, with its reason.
            ModelError: the network has parameters without gradients.
        """
        try:
            yield
        except RuntimeError as error:
            if "parameters that were not used in producing loss" in str(error):
                raise ModelError(
                    "The network has parameters that do not affect its output, so their gradients cannot be averaged over "
                    "processes. Remove them from the network, or train with one process."
                ) from error
            if self._meeting is None or not (isinstance(error, dist.DistError) or _LOST.search(str(error))):
                raise
            reason = None
            with suppress(RuntimeError):  # the machine with the store may be the one that is gone
                reason = self._meeting.failure()
            raise TrainingError(reason or _LOST_PROCESS) from error


def compare(prepared: list[dict[str, Any]]) -> None:
    """Raise an error if the processes of a training are not prepared alike.

    Args:
        prepared: of each process its name (``process``) and its values by kind: ``version``, ``setting``, ``loaded``, ``device``.

    Raises:
        TrainingError: two processes differ.
    """
    advice = {
        "version": "Install the same versions on all machines.",
        "setting": "Run the same command on all machines.",
        "loaded": "All machines need the same files; copy those of the first machine.",
        "device": "Give all of them the same, e.g. with --set device=cpu or --set precision=float32.",
    }
    first = prepared[0]
    for other in prepared[1:]:
        for kind, what_to_do in advice.items():
            for name, value in first[kind].items():
                if (found := other[kind].get(name)) == value:
                    continue
                here, there = first["process"], other["process"]
                differ = f"{there} loaded other {name} than {here}"
                if kind != "loaded":
                    differ = f"{here} has {name} {value}, {there} has {found}"
                raise TrainingError(f"The processes of this training differ: {differ}. {what_to_do}")


def digest(*values: bytes) -> str:
    """Return a hash of ``values``, to compare what processes loaded."""
    return hashlib.sha256(b"".join(hashlib.sha256(value).digest() for value in values)).hexdigest()
