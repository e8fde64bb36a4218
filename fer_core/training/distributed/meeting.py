"""Lets the processes of a training find each other, compare what they loaded, and tell each other why one fails."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # missing in torch's stubs

from fer_core.errors import TrainingError
from fer_core.training.distributed.launch import Launch

_POLL: Final = 0.05  # seconds
_JOIN_SECONDS: Final = 300.0  # until all processes have started
_WAIT_SECONDS: Final = 3600.0  # one process may be reading the data meanwhile


class Meeting:
    """A small table of texts shared by all processes, on ``torchrun``'s store.

    The store outlives a restart, and restarts are counted differently on each machine. Therefore the processes that are alive
    first agree on a fresh prefix for their keys; entries of dead processes are never read.
    """

    def __init__(self, launch: Launch, join_seconds: float = _JOIN_SECONDS) -> None:
        """Meet the other processes.

        Raises:
            TrainingError: the store does not answer, or some processes do not come within ``join_seconds``.
        """
        self.launch = launch
        try:
            root = TCPStore(
                launch.address,
                launch.port,
                launch.size,
                is_master=launch.hosts_store,
                timeout=timedelta(seconds=join_seconds),
                wait_for_workers=False,
                multi_tenant=True,
            )
        except (RuntimeError, ValueError) as error:
            raise TrainingError(
                f"The first machine, {launch.address}, does not answer on port {launch.port}. Start torchrun on every "
                "machine with the same --rdzv-endpoint, and open that port between them."
            ) from error
        self._store: Store = root
        self._deadline = time.monotonic() + join_seconds
        self._store = PrefixStore(f"fer-lab/{self._agree()}", root)

    def _agree(self) -> str:
        """Return a prefix that all living processes know, and no earlier process does.

        Process 0 publishes its name with the names that the others last wrote. A process accepts a list that contains its own
        name, which is random, so a list from before a restart is never accepted.
        """
        name, others = secrets.token_hex(8), range(1, self.launch.size)
        if self.launch.rank:
            self._store.set(f"fer-lab/name/{self.launch.rank}", name)
            while True:
                leader, *names = self._read("fer-lab/names").split()
                if name in names:
                    self._store.set(f"fer-lab/{leader}/accepted/{self.launch.rank}", "")
                    if self._store.check([f"fer-lab/{leader}/complete"]):
                        return leader
                self._pause("process 0")
        while True:
            names = [self._read(f"fer-lab/name/{rank}", f"process {rank}") for rank in others]
            self._store.set("fer-lab/names", " ".join([name, *names]))
            self._pause(f"{len(others)} other processes")
            if all(self._store.check([f"fer-lab/{name}/accepted/{rank}"]) for rank in others):
                self._store.set(f"fer-lab/{name}/complete", "")
                return name

    def _read(self, key: str, whose: str = "process 0") -> str:
        while not self._store.check([key]):
            self._pause(whose)
        return self._store.get(key).decode()

    def _pause(self, whose: str) -> None:
        if time.monotonic() > self._deadline:
            raise TrainingError(
                f"{whose[0].upper()}{whose[1:]} of {self.launch.size} did not start in time. Check that torchrun runs on "
                "every machine, with the same --nnodes, --rdzv-id and --rdzv-endpoint."
            )
        time.sleep(_POLL)

    def store(self, name: str) -> Store:
        """Return a store of its own for PyTorch's process group."""
        return PrefixStore(name, self._store)

    def put(self, key: str, text: str = "") -> None:
        """Write an entry."""
        self._store.set(key, text)

    def get(self, key: str, seconds: float = _WAIT_SECONDS) -> str:
        """Wait for an entry and return it.

        Raises:
            TrainingError: another process failed, with its reason; or it did not write the entry in time.
        """
        deadline = time.monotonic() + seconds
        while not self._store.check([key]):
            if (reason := self.failure()) is not None:
                raise TrainingError(reason)
            if time.monotonic() > deadline:
                raise TrainingError(
                    f"Another process of the training did not answer within {seconds / 60:.0f} minutes."
                )
            time.sleep(_POLL)
        return self._store.get(key).decode()

    def exchange(self, key: str, text: str = "") -> list[str]:
        """Return the texts of all processes, in their order, once each has given its own.

        Raises:
            TrainingError: see :meth:`get`.
        """
        self.put(f"{key}/{self.launch.rank}", text)
        return [self.get(f"{key}/{rank}") for rank in range(self.launch.size)]

    def part(self) -> None:
        """Wait for all processes to come here; process 0, which may hold the store, leaves last.

        Raises:
            TrainingError: see :meth:`get`.
        """
        self.exchange("done")
        if self.launch.rank:
            self.put(f"left/{self.launch.rank}")
        else:
            for rank in range(1, self.launch.size):
                self.get(f"left/{rank}")

    @contextmanager
    def in_turn(self, key: str) -> Iterator[None]:
        """Run a block in the first process of each machine before the other processes of that machine run it.

        Raises:
            TrainingError: see :meth:`get`.
        """
        key = f"{key}/{self.launch.machine}"
        if self.launch.local_rank:
            self.get(key)
        yield
        if not self.launch.local_rank:
            self.put(key)

    def fail(self, reason: str) -> None:
        """Tell the others why this process gives up; the first reason counts."""
        self._store.compare_set("failed", "", f"{self.launch.name[0].upper()}{self.launch.name[1:]}: {reason}")

    def failure(self) -> str | None:
        """Return why a process gave up, or None."""
        return self._store.get("failed").decode() if self._store.check(["failed"]) else None
