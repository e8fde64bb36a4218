"""An experiment in a process of its own: the page that shows it stays responsive and can cancel it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable

from fer_core.errors import FerError
from fer_core.lessons.experiments.base import Progress, Result
from fer_core.resources import python_path
from fer_core.workspace import Workspace

PROGRESS_MARK = "progress "
"""How a line of the process's stderr begins that holds ``[epochs done, epochs in all]``."""


def run_in_subprocess(
    name: str,
    source: str,
    on_progress: Progress,
    should_stop: Callable[[], bool],
    workspace: Workspace | None = None,
    skip_broken: bool = False,
) -> Result | None:
    """Run ``python -m fer_core experiment`` and wait for its result; None when stopped.

    Args:
        name: of the experiment.
        source: of the faces.
        on_progress: called with (epochs done, epochs in all).
        should_stop: asked a few times a second; the process ends within a moment.
        workspace: where the result is kept.
        skip_broken: leave out faces that cannot be read.

    Raises:
        FerError: what the process says went wrong, in its own sentence.
    """
    root = (workspace or Workspace.default()).root
    command = [sys.executable, "-m", "fer_core", "experiment", name, "--data", source, "--json", "--progress-lines"]
    process = subprocess.Popen(
        [*command, "--skip-broken"] if skip_broken else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "FER_HOME": str(root), "PYTHONPATH": python_path()},
    )
    said: list[str] = []
    output: list[str] = []

    def listen() -> None:
        """In a thread of its own: passes progress on, keeps everything else that the process says."""
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(PROGRESS_MARK):
                done, total = json.loads(line.removeprefix(PROGRESS_MARK))
                on_progress(done, total)
            else:
                said.append(line.strip())

    def read() -> None:
        """In a thread of its own, so that a long document cannot fill the pipe while nobody reads."""
        assert process.stdout is not None
        output.append(process.stdout.read())

    threads = [threading.Thread(target=target, daemon=True) for target in (listen, read)]
    for thread in threads:
        thread.start()
    try:
        while process.poll() is None:
            if should_stop():
                return None
            threads[0].join(0.2)
        for thread in threads:
            thread.join(10)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for thread in threads:
            thread.join(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    if process.returncode == 2 and said:
        raise FerError(said[-1].removeprefix("error: "))
    if process.returncode != 0:
        raise RuntimeError(f"the experiment ended with status {process.returncode}: {' '.join(said[-20:])}")
    return Result.parse({k: v for k, v in json.loads(output[0]).items() if k in Result.model_fields})
