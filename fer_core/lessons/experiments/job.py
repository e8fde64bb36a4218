"""An experiment as a job in a process of its own: the page that shows it stays responsive and can cancel it."""

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

_LOOK_SECONDS = 0.1


class ExperimentStatus(JobStatus):
    """What ``status.json`` of this job says."""

    done: int = Field(0, ge=0, description="Epochs done, over both trainings.")
    total: int = Field(0, ge=0)


class ExperimentJob(Job):
    """The directory of one experiment at work; ``result.json`` holds what came of it."""

    status_type = ExperimentStatus

    @property
    def status(self) -> ExperimentStatus:
        """What was last written; a blank status where there is none."""
        found = super().status
        assert isinstance(found, ExperimentStatus)  # as status_type says
        return found

    def report(self, done: int, total: int) -> None:
        """Say how many epochs are done."""
        self.write_status(ExperimentStatus(state="running", done=done, total=total, heartbeat=time.time()))

    def finish(self, result: Result) -> None:
        """Write the result, then say that it is there."""
        write_json(self.path / "result.json", result.to_dict())
        self.write_status(ExperimentStatus(state="finished", heartbeat=time.time()))

    def fail(self, message: str) -> None:
        """Say in a sentence what went wrong."""
        self.write_status(ExperimentStatus(state="failed", error=message, heartbeat=time.time()))

    def result(self) -> Result:
        """What came of it."""
        return Result.parse((self.path / "result.json").read_bytes())


def run_in_subprocess(
    name: str,
    source: str,
    on_progress: Progress,
    should_stop: Callable[[], bool],
    workspace: Workspace,
    reading: Reading | None = None,
) -> Result | None:
    """Run ``python -m fer_core experiment`` and wait for its result; None when stopped.

    Args:
        name: of the experiment.
        source: of the faces.
        on_progress: called with (epochs done, epochs in all).
        should_stop: asked a few times a second; the process ends within a moment.
        workspace: where the result is kept.
        reading: how the faces are read; the defaults when None.

    Raises:
        FerError: what the process says went wrong, in its own sentence.
    """
    with tempfile.TemporaryDirectory(prefix="fer-experiment-", ignore_cleanup_errors=True) as folder:
        job = ExperimentJob(Path(folder))
        arguments = ["experiment", name, "--data", source, "--job", folder, *(reading or Reading()).arguments()]
        process = job.start(arguments, workspace, ExperimentStatus())
        try:
            told = 0
            while process.poll() is None:
                if should_stop():
                    return None
                status = job.status
                if status.done > told:
                    told = status.done
                    on_progress(status.done, status.total)
                time.sleep(_LOOK_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        status = job.status
        if status.error is not None:
            raise FerError(status.error)
        if status.state != "finished":
            said = (job.path / "console.txt").read_text(errors="replace").splitlines()[-20:]
            raise RuntimeError(f"the experiment ended with status {process.returncode}: {' '.join(said)}")
        return job.result()
