"""Training in a background process that outlives the page, the browser and the server that started it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from fer_core.config import TrainConfig
from fer_core.errors import RunError
from fer_core.resources import python_path
from fer_core.training.runs import RESUMABLE, Run, Status, create_run, refuse_if_busy
from fer_core.workspace import Workspace, write_json

_NICE = 10  # of 0…19, as in nice(1)


def start(config: TrainConfig, name: str | None = None, workspace: Workspace | None = None) -> Run:
    """Start a training in a process of its own; returns as soon as the process runs.

    Raises:
        BusyError: a training runs already in this workspace; it is named.
        WorkspaceError: the workspace cannot be written.
    """
    workspace = workspace or Workspace.default()
    refuse_if_busy(workspace)
    run = create_run(config, name, workspace)
    spawn(["train", "--run", str(run.path)], workspace, run.path / "console.txt")
    return run


def resume(run: Run, workspace: Workspace | None = None) -> Run:
    """Continue a run that was stopped, failed or was lost, in a process of its own.

    Raises:
        BusyError: a training runs already in this workspace.
        RunError: the run is finished, or damaged.
    """
    workspace = workspace or Workspace.default()
    refuse_if_busy(workspace)
    state = run.state
    if state not in RESUMABLE:
        raise RunError(f"The run '{run.label.name}' is {state}; only a stopped, failed or lost run can be resumed.")
    status = run.status
    (run.path / "stop").unlink(missing_ok=True)
    write_json(
        run.path / "status.json",
        Status(heartbeat=time.time(), epoch=status.epoch, epochs=run.config.epochs).to_dict(),
    )
    spawn(["train", "--run", str(run.path)], workspace, run.path / "console.txt")
    return run


def spawn(arguments: list[str], workspace: Workspace, console: Path) -> None:
    """Start ``python -m fer_core ARGUMENTS`` in its own session, so that it gets no signal meant for us, and behind us."""
    environment = {**os.environ, "FER_HOME": str(workspace.root), "PYTHONPATH": python_path()}
    with console.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fer_core", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
        )
    _give_way(process.pid)
    # This thread belongs to the parent: it waits for the child's end so that no zombie is left, and does nothing else.
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()


def _give_way(pid: int) -> None:
    """Let the work of a background process yield to the pages and to the camera."""
    if not hasattr(os, "setpriority"):
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, max(_NICE, os.getpriority(os.PRIO_PROCESS, pid)))
        # Linux shares the processor between sessions first, and the process has one of its own: without this, its
        # priority counts against nobody else.
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICE))
