"""Runs an experiment in a subprocess, so the page stays responsive and can cancel it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from fer_core.data.reading import Reading
from fer_core.errors import FerError
from fer_core.jobs import Job, JobStatus
from fer_core.lessons.experiments.base import Progress, Result
from fer_core.workspace import Workspace, write_json

_POLL_SECONDS = 0.1


class ExperimentStatus(JobStatus):
    """Content of the job's ``status.json``."""

    done: int = Field(0, ge=0, description="Epochs done, over both arms.")
    total: int = Field(0, ge=0)


class ExperimentJob(Job):
    """Directory of one running experiment; ``result.json`` contains the result."""

    status_type = ExperimentStatus

    @property
    def status(self) -> ExperimentStatus:
        """The last status written, or a blank one."""
        found = super().status
        assert isinstance(found, ExperimentStatus)  # as status_type says
        return found

    def report(self, done: int, total: int) -> None:
        """Write the number of epochs done."""
        self.write_status(ExperimentStatus(state="running", done=done, total=total, heartbeat=time.time()))

    def finish(self, result: Result) -> None:
        """Write the result, then mark the job as finished."""
        write_json(self.path / "result.json", result.to_dict())
        self.write_status(ExperimentStatus(state="finished", heartbeat=time.time()))

    def fail(self, message: str) -> None:
        """Mark the job as failed with an error message."""
        self.write_status(ExperimentStatus(state="failed", error=message, heartbeat=time.time()))

    def result(self) -> Result:
        """Read the result."""
        return Result.parse((self.path / "result.json").read_bytes())


def run_in_subprocess(
    name: str,
    source: str,
    on_progress: Progress,
    should_stop: Callable[[], bool],
    workspace: Workspace,
    reading: Reading | None = None,
) -> Result | None:
    """Run ``python -m fer_core experiment`` and wait for its result; return None if stopped.

    Args:
        name: name of the experiment.
        source: source of the faces.
        on_progress: called with (epochs done, total epochs).
        should_stop: checked several times a second; stopping kills the process.
        workspace: the workspace that stores the result.
        reading: how to read the faces; defaults if None.

    Raises:
        FerError: the process reported an error.
    """
    with tempfile.TemporaryDirectory(prefix="fer-experiment-", ignore_cleanup_errors=True) as folder:
        job = ExperimentJob(Path(folder))
        arguments = ["experiment", name, "--data", source, "--job", folder, *(reading or Reading()).arguments()]
        process = job.start(arguments, workspace, ExperimentStatus())
        try:
            reported = 0
            while process.poll() is None:
                if should_stop():
                    return None
                status = job.status
                if status.done > reported:
                    reported = status.done
                    on_progress(status.done, status.total)
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        status = job.status
        if status.error is not None:
            raise FerError(status.error)
        if status.state != "finished":
            output = (job.path / "console.txt").read_text(errors="replace").splitlines()[-20:]
            raise RuntimeError(f"the experiment exited with status {process.returncode}: {' '.join(output)}")
        return job.result()
