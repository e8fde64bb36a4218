"""Joins the training that ``torchrun`` started; a process that it did not start loads no PyTorch for this."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fer_core.errors import FerError
from fer_core.training.distributed.launch import Launch

if TYPE_CHECKING:
    from fer_core.training.distributed.processes import Processes


@contextmanager
def joined(environment: Mapping[str, str] | None = None) -> Iterator[Processes | None]:
    """Join the training that ``torchrun`` started while the block runs; yields None without ``torchrun``.

    Args:
        environment: the environment variables; None takes those of this process.

    Raises:
        TrainingError: this process cannot join, or another process failed, with its reason.
    """
    launch = Launch.of(os.environ if environment is None else environment)
    if launch is None:
        yield None
        return
    from fer_core.training.distributed.processes import Processes

    try:
        processes = Processes(launch)
        try:
            with processes.losses_explained():
                yield processes
                processes.leave()
        except FerError as error:
            processes.fail(str(error))
            raise
    except FerError as error:
        launch.report(str(error))
        raise
