"""Start trainings in a background process that outlives the page, the browser and the server."""

from __future__ import annotations

from fer_core.config import TrainConfig
from fer_core.errors import RunError
from fer_core.jobs import RESUMABLE
from fer_core.training.runs import Run, Status, create_run, refuse_if_busy
from fer_core.workspace import Workspace


def start(config: TrainConfig, name: str | None = None, *, workspace: Workspace) -> Run:
    """Start a training in a separate process; return as soon as the process runs.

    Raises:
        BusyError: another training is running in this workspace; the message names it.
        WorkspaceError: the workspace cannot be written.
    """
    refuse_if_busy(workspace)
    run = create_run(config, name, workspace=workspace)
    run.start(["train", "--run", str(run.path)], workspace, Status(epochs=config.epochs))
    return run


def resume(run: Run, workspace: Workspace) -> Run:
    """Resume a stopped, failed or lost run in a separate process.

    Raises:
        BusyError: another training is running in this workspace.
        RunError: the run is finished, or damaged.
    """
    refuse_if_busy(workspace)
    state = run.state
    if state not in RESUMABLE:
        raise RunError(f"The run '{run.label.name}' is {state}; only a stopped, failed or lost run can be resumed.")
    before = run.status
    status = Status(epoch=before.epoch, epochs=run.config.epochs, previous=before.state)
    run.start(["train", "--run", str(run.path)], workspace, status)
    return run
