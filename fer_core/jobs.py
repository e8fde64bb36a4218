"""One background job: a directory that one process writes and any others watch, and how such a process is started.

``status.json`` (state, progress, heartbeat, error; replaced as a whole), ``run.lock`` (held by the process while it
lives), ``stop`` (present when somebody asked it to stop), ``console.txt`` (what it printed, for defects). A process killed
at any byte leaves a directory that still opens. Alive means that the lock is held; the heartbeat is for display.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from filelock import FileLock, Timeout
from pydantic import Field

from fer_core.config import Config
from fer_core.errors import ConfigError, RunError, WorkspaceError
from fer_core.resources import python_path
from fer_core.workspace import Workspace, make_directory, write_json

STARTING_GRACE: Final = 60.0
"""Seconds a process may take from its start until it holds the lock."""

WrittenState = Literal["starting", "running", "stopped", "finished", "failed"]
"""What a job itself says of its state."""
JobState = Literal["starting", "running", "stopping", "stopped", "finished", "failed", "lost"]
"""A job's state for those who watch: what it says, checked against the lock."""
ACTIVE: Final[frozenset[str]] = frozenset(("starting", "running", "stopping"))
"""The states of a job whose process works or is about to."""
RESUMABLE: Final[frozenset[str]] = frozenset(("stopped", "failed", "lost"))
"""The states from which a job may go on."""

_LOCK_SECONDS: Final = 2.0  # a watcher's look at a lock takes it for an instant
_NICE: Final = 10  # of 0…19, as in nice(1)


class JobStatus(Config):
    """What ``status.json`` says; the job's process is its only writer once it runs."""

    state: WrittenState = "starting"
    heartbeat: float = Field(0.0, description="UTC seconds since 1970; for display only.")
    error: str | None = None


@dataclass(frozen=True)
class Job:
    """The directory of a job; every property reads the disk afresh, so that it follows a process at work."""

    path: Path

    status_type: ClassVar[type[JobStatus]] = JobStatus

    @property
    def status(self) -> JobStatus:
        """What its process last wrote; a blank status where the file is missing or damaged."""
        try:
            return self.status_type.parse((self.path / "status.json").read_bytes())
        except (OSError, ConfigError):
            return self.status_type()

    def write_status(self, status: JobStatus) -> None:
        """Replace ``status.json``.

        Raises:
            WorkspaceError: the place cannot be written.
        """
        write_json(self.path / "status.json", status.to_dict())

    def watched_state(self) -> JobState:
        """The status checked against the lock."""
        status = self.status
        if self.is_alive():
            return "stopping" if self.stop_requested else "running"
        if status.state == "starting" and abs(time.time() - status.heartbeat) < STARTING_GRACE:
            return "starting"
        if status.state in ("starting", "running"):
            status = self.status  # it may have ended between the two looks
        return "lost" if status.state in ("starting", "running") else status.state

    def is_alive(self) -> bool:
        """Whether a process holds the lock."""
        lock = self.path / "run.lock"
        if not lock.exists():
            return False
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False  # a read-only or vanished directory cannot be worked in

    @contextlib.contextmanager
    def hold(self, what: str) -> Iterator[None]:
        """Be the process of this job for the time of the block; an earlier request to stop is forgotten.

        Args:
            what: the job in words, to begin the error's sentence.

        Raises:
            RunError: another process is.
        """
        with held(self.path / "run.lock", lambda: RunError(f"{what} is being worked on by another process.")):
            with contextlib.suppress(FileNotFoundError):
                (self.path / "stop").unlink()
            yield

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked the process to stop."""
        return (self.path / "stop").exists()

    def request_stop(self) -> None:
        """Ask the process to stop; harmless when nothing runs.

        Raises:
            RunError: it cannot be asked.
        """
        try:
            (self.path / "stop").touch()
        except FileNotFoundError:
            return  # there is no job here
        except OSError as error:
            raise RunError(f"The work in {self.path} cannot be told to stop ({error.strerror}).") from error

    def start(self, arguments: Sequence[str], workspace: Workspace, status: JobStatus) -> subprocess.Popen[bytes]:
        """Start ``python -m fer_core ARGUMENTS`` as this job's process; it outlives this one.

        Raises:
            WorkspaceError: the directory cannot be written.
        """
        make_directory(self.path)
        with contextlib.suppress(FileNotFoundError):
            (self.path / "stop").unlink()
        self.write_status(status.model_copy(update={"heartbeat": time.time()}))
        return spawn(arguments, workspace, self.path / "console.txt")


@contextlib.contextmanager
def held(lock: Path, refusal: Callable[[], RunError]) -> Iterator[None]:
    """Hold a lock for the time of the block.

    Args:
        lock: its file.
        refusal: makes the error that is raised where another process holds it.

    Raises:
        RunError: another process holds it.
        WorkspaceError: the file cannot be written.
    """
    lock_file = FileLock(lock, timeout=_LOCK_SECONDS)
    try:
        lock_file.acquire()
    except Timeout as error:
        raise refusal() from error
    except OSError as error:
        raise WorkspaceError(
            f"{lock} cannot be written ({error.strerror or error}). Choose a writable place with FER_HOME."
        ) from error
    try:
        yield
    finally:
        lock_file.release()


def spawn(arguments: Sequence[str], workspace: Workspace, console: Path) -> subprocess.Popen[bytes]:
    """Start ``python -m fer_core ARGUMENTS`` in its own session, so that it gets no signal meant for us, and behind us."""
    with console.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fer_core", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=child_environment(workspace),
        )
    _give_way(process.pid)
    # This thread belongs to the parent: it waits for the child's end so that no zombie is left, and does nothing else.
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    return process


def child_environment(workspace: Workspace | None = None) -> Mapping[str, str]:
    """The environment of a child process: it imports the same code, and writes into ``workspace``."""
    home = {"FER_HOME": str(workspace.root)} if workspace else {}
    return {**os.environ, **home, "PYTHONPATH": python_path()}


def _give_way(pid: int) -> None:
    """Let the work of a background process yield to the pages and to the camera."""
    if not hasattr(os, "setpriority"):
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, max(_NICE, os.getpriority(os.PRIO_PROCESS, pid)))
        # Linux shares the processor between sessions first, and the process has one of its own: without this, its
        # priority counts against nobody else.
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICE))
