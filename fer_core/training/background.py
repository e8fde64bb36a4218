"""Start trainings in a background process that outlives the page, the browser and the server."""

from __future__ import annotations

import os
from pathlib import Path

from fer_core.config import TrainConfig
from fer_core.errors import RunError
from fer_core.jobs import RESUMABLE
from fer_core.training.runs import Run, Status, create_run, refuse_if_busy
from fer_core.workspace import Workspace


def gpus() -> int:
    """Return the number of GPUs that PyTorch can use; without a driver, PyTorch is not loaded to find out."""
    if os.name == "posix" and not Path("/proc/driver/nvidia").exists():
        return 0
    import torch

    return torch.cuda.device_count()


def start(config: TrainConfig, name: str | None = None, *, workspace: Workspace, processes: int = 1) -> Run:
    """Start a training in a separate process; return as soon as the process runs.

    Args:
        config: the settings.
        name: the name of the run.
        workspace: where to write.
        processes: number of processes that share the training, at most one per GPU.

    Raises:
        BusyError: another training is running in this workspace; the message names it.
        WorkspaceError: the workspace cannot be written.
    """
    refuse_if_busy(workspace)
    run = create_run(config, name, workspace=workspace)
    run.start(["train", "--run", str(run.path)], workspace, Status(epochs=config.epochs), processes)
    return run


def resume(run: Run, workspace: Workspace) -> Run:
    """Resume a stopped, failed or lost run in a separate process, or in as many as before if there are enough GPUs.

    Raises:
        BusyError: another training is running in this workspace.
        RunError: the run is finished, or damaged.
    """
    refuse_if_busy(workspace)
    _start_again(run, workspace, status_for_resuming(run), run.processes)
    return run


def status_for_resuming(run: Run) -> Status:
    """Return the status with which a stopped, failed or lost run starts again.

    Raises:
        RunError: the run is finished, damaged or training.
    """
    state = run.state
    if state not in RESUMABLE:
        raise RunError(f"The run '{run.label.name}' is {state}; only a stopped, failed or lost run can be resumed.")
    before = run.status
    return Status(epoch=before.epoch, epochs=run.config.epochs, previous=before.state)


def start_queued(run: Run, workspace: Workspace, processes: int = 1) -> None:
    """Start a run whose directory was created before, in a separate process.

    Args:
        run: a run that was queued.
        workspace: the workspace it belongs to.
        processes: number of processes that share the training; as many as there are GPUs at most.

    Raises:
        BusyError: another training is running in this workspace.
        RunError: the run is damaged.
        WorkspaceError: the workspace cannot be written.
    """
    refuse_if_busy(workspace, besides=run)
    before = run.status
    _start_again(
        run, workspace, Status(epoch=before.epoch, epochs=run.config.epochs, previous=before.previous), processes
    )


def _start_again(run: Run, workspace: Workspace, status: Status, processes: int) -> None:
    processes = processes if 1 < processes <= gpus() else 1
    run.start(["train", "--run", str(run.path)], workspace, status, processes)
