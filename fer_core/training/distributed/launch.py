"""How ``torchrun`` started this process, read from the environment it sets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ANONYMOUS: Final = frozenset(("", "none"))
"""The run ids that ``torchrun`` gives when it is told none: unrelated trainings share them."""


@dataclass(frozen=True)
class Launch:
    """One process of ``torchrun``.

    Attributes:
        rank: its number among all processes, from 0.
        size: number of processes on all machines.
        local_rank: its number on this machine, from 0; also its GPU.
        local_size: number of processes on this machine.
        machine: the number of this machine, from 0.
        address: host name of the store through which the processes find each other.
        port: its port.
        hosts_store: whether this process must open the store itself, because ``torchrun`` does not.
        run_id: ``torchrun``'s run id; "" if it was given none.
        error_file: where ``torchrun`` looks for the reason if this process fails; "" if nowhere.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    machine: int
    address: str
    port: int
    hosts_store: bool
    run_id: str
    error_file: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Launch | None:
        """Return the launch that the environment describes; None if ``torchrun`` did not start this process."""
        if "TORCHELASTIC_RUN_ID" not in environment:
            return None
        run_id, rank = environment["TORCHELASTIC_RUN_ID"], int(environment["RANK"])
        agent_has_store = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        return cls(
            rank=rank,
            size=int(environment["WORLD_SIZE"]),
            local_rank=int(environment["LOCAL_RANK"]),
            local_size=int(environment["LOCAL_WORLD_SIZE"]),
            machine=int(environment.get("GROUP_RANK", "0")),
            address=environment["MASTER_ADDR"],
            port=int(environment["MASTER_PORT"]),
            hosts_store=rank == 0 and not agent_has_store,
            run_id="" if run_id in _ANONYMOUS else run_id,
            error_file=environment.get("TORCHELASTIC_ERROR_FILE", ""),
        )

    @property
    def name(self) -> str:
        """The process in error messages: ``process 1 on host-b``."""
        return f"process {self.rank} on {socket.gethostname()}"

    @property
    def folder(self) -> str:
        """A folder that is the same in all restarts of one ``torchrun`` and in no other; "" if unknown."""
        return str(Path(self.error_file).parents[2]) if self.error_file else ""  # FOLDER/attempt_0/0/error.json

    def to_dict(self) -> dict[str, str]:
        """Return what identifies the training for a restart of the same command."""
        return {"run_id": self.run_id, "folder": self.folder}

    def report(self, reason: str) -> None:
        """Give ``torchrun`` the reason why this process fails, for the summary it prints at the end."""
        if self.error_file:
            message = {"message": reason, "extraInfo": {"timestamp": str(int(time.time()))}}
            with suppress(OSError):
                Path(self.error_file).write_text(json.dumps({"message": message}), encoding="utf-8")
