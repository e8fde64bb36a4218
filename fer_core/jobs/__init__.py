"""A background job: a directory that one process writes and others watch, and how to start such a process.

``status.json`` (state, progress, heartbeat, error; replaced atomically), ``run.lock`` (locked by the process while it works),
``process.lock`` (locked while a process that was started for it lives), ``stop`` (exists if somebody asked it to stop),
``console.txt`` (its output, for internal errors). A process killed at any byte leaves a directory that still opens. A job is
alive while its lock is held; the heartbeat is for display only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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
"""Seconds a process may take from its start until it acquires the lock, where nothing tells that it still lives."""
_PROCESS_LOCK: Final = "process.lock"

WrittenState = Literal["queued", "starting", "running", "stopped", "finished", "failed"]
"""The states that a job writes; ``queued`` is written by the queue of a shared server (``fer_core/serve/queue.py``)."""
JobState = Literal["queued", "starting", "running", "stopping", "stopped", "finished", "failed", "lost"]
"""The states that others see: the written state, checked against the lock."""
ACTIVE: Final[frozenset[str]] = frozenset(("starting", "running", "stopping"))
"""States in which the process is working or about to start."""
RESUMABLE: Final[frozenset[str]] = frozenset(("stopped", "failed", "lost"))
"""States from which a job can be resumed."""

_LOCK_SECONDS: Final = 2.0  # checking a lock holds it for an instant
_NICE: Final = 10  # niceness, 0…19, see nice(1)


class JobStatus(Config):
    """The content of ``status.json``; once the job runs, its process is the only writer."""

    state: WrittenState = "starting"
    heartbeat: float = Field(0.0, description="UTC seconds since 1970; for display only.")
    error: str | None = None


@dataclass(frozen=True)
class Job:
    """The directory of a job. Every property reads the disk anew, so it follows a running process."""

    path: Path

    status_type: ClassVar[type[JobStatus]] = JobStatus

    @property
    def status(self) -> JobStatus:
        """The status its process last wrote; a default status if the file is missing or damaged."""
        try:
            return self.status_type.parse((self.path / "status.json").read_bytes())
        except (OSError, ConfigError):
            return self.status_type()

    def write_status(self, status: JobStatus) -> None:
        """Replace ``status.json``.

        Raises:
            WorkspaceError: the file cannot be written.
        """
        write_json(self.path / "status.json", status.to_dict())

    def watched_state(self) -> JobState:
        """Return the state according to status and lock."""
        status = self.status
        if self.is_alive():
            return "stopping" if self.stop_requested else "running"
        if status.state == "starting" and (
            is_held(self.path / _PROCESS_LOCK) or abs(time.time() - status.heartbeat) < STARTING_GRACE
        ):
            return "starting"
        if status.state in ("starting", "running"):
            status = self.status  # the job may have ended between the two checks
        return "lost" if status.state in ("starting", "running") else status.state

    def is_alive(self) -> bool:
        """Return whether a process holds the lock."""
        return is_held(self.path / "run.lock")

    @contextlib.contextmanager
    def hold(self, what: str) -> Iterator[None]:
        """Hold the job's lock while the block runs; an earlier stop request is deleted.

        Args:
            what: the subject of the error message, such as "The run 'first'".

        Raises:
            RunError: another process holds the lock.
        """
        with held(self.path / "run.lock", lambda: RunError(f"{what} is in use by another process.")):
            with contextlib.suppress(FileNotFoundError):
                (self.path / "stop").unlink()
            yield

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked the process to stop."""
        return (self.path / "stop").exists()

    def request_stop(self) -> None:
        """Ask the process to stop; does nothing if no process runs.

        Raises:
            RunError: the request cannot be written.
        """
        try:
            (self.path / "stop").touch()
        except FileNotFoundError:
            return  # the job does not exist
        except OSError as error:
            raise RunError(f"The job in {self.path} cannot be asked to stop ({error.strerror}).") from error

    def start(
        self, arguments: Sequence[str], workspace: Workspace, status: JobStatus, processes: int = 1
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m fer_core ARGUMENTS`` as this job's process, which outlives the current one; see :func:`spawn`.

        Raises:
            WorkspaceError: the directory cannot be written.
        """
        make_directory(self.path)
        with contextlib.suppress(FileNotFoundError):
            (self.path / "stop").unlink()
        self.write_status(status.model_copy(update={"heartbeat": time.time()}))
        with _lock_for_child(self.path / _PROCESS_LOCK) as descriptors:
            return spawn(arguments, workspace, self.path / "console.txt", processes, descriptors)


def is_held(lock: Path) -> bool:
    """Return whether a process holds a lock file."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # no process can work in a read-only or deleted directory


@contextlib.contextmanager
def held(lock: Path, refusal: Callable[[], RunError]) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        lock: path of the lock file.
        refusal: creates the error to raise if another process holds the lock.

    Raises:
        RunError: another process holds the lock.
        WorkspaceError: the file cannot be written.
    """
    lock_file = FileLock(lock, timeout=_LOCK_SECONDS)
    try:
        lock_file.acquire()
    except Timeout as error:
        raise refusal() from error
    except OSError as error:
        raise WorkspaceError(
            f"{lock} cannot be written ({error.strerror or error}). Choose a writable folder with FER_HOME."
        ) from error
    try:
        yield
    finally:
        lock_file.release()


@contextlib.contextmanager
def _lock_for_child(path: Path) -> Iterator[tuple[int, ...]]:
    """Yield the descriptor of a locked file: a child that inherits it holds the lock until it ends, however it ends.

    It tells that a process is still starting, which may take minutes on a busy machine. On Windows, which has no such
    locks, nothing is yielded.
    """
    try:
        import fcntl
    except ImportError:
        yield ()
        return
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # nobody else can hold a lock on a new file
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        new.replace(path)
        yield (descriptor,)
    finally:
        os.close(descriptor)  # releases the lock only if there is no child


def spawn(
    arguments: Sequence[str], workspace: Workspace, console: Path, processes: int = 1, descriptors: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start ``python -m fer_core ARGUMENTS`` in its own session, so that it receives none of our signals, at low priority.

    Args:
        arguments: the command and its options.
        workspace: where it writes.
        console: the file to which its output is appended.
        processes: with more than one, ``torchrun`` starts that many processes of the command.
        descriptors: file descriptors that the process inherits; none on Windows.
    """
    # After "--" torchrun takes no option for its own: it would otherwise reject --run as short for one of several.
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m", "--"]
    with console.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(torchrun if processes > 1 else ()), "fer_core", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
            env=child_environment(workspace),
        )
    _give_way(process.pid)
    # This thread runs in the parent. It only waits for the child, so that no zombie process remains.
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
    return process


def child_environment(workspace: Workspace | None = None) -> Mapping[str, str]:
    """Return the environment of a child process that imports the same code and writes to ``workspace``."""
    home = {"FER_HOME": str(workspace.root)} if workspace else {}
    return {**os.environ, **home, "PYTHONPATH": python_path()}


def _give_way(pid: int) -> None:
    """Lower the priority of a background process, so that pages and camera come first."""
    if not hasattr(os, "setpriority"):
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, max(_NICE, os.getpriority(os.PRIO_PROCESS, pid)))
        # Linux first divides processor time between sessions, and the process has its own session. Without this, its
        # niceness would have no effect on processes of other sessions.
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICE))
