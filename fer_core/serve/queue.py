"""The queue of trainings on a shared server: one per user, a few per server, the others wait their turn.

``training-queue/`` in the operator's workspace has one small file for each training that waits or runs, named by its number
in the queue, so that order does not depend on any clock and a damaged file concerns one training only. A training's file is
there before its run says ``queued``, and goes when the run has ended. The number of attempts is written before a start. A
server killed at any moment therefore neither loses a training nor starts one twice: what a start was attempted for is
started again only once its run is ``lost`` without ever having begun.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from fer_core.config import Config, TrainConfig
from fer_core.errors import BusyError, ConfigError, FerError, LimitError, RunError
from fer_core.formatting import counted
from fer_core.jobs import ACTIVE, Job, JobStatus, held
from fer_core.serve.audit_log import AuditLog, Detail
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import User, Users, is_user_key
from fer_core.training.background import start_queued, status_for_resuming
from fer_core.training.runs import Run, Status, create_run, is_training, list_runs
from fer_core.workspace import Workspace, make_directory, write_json

MOST_WAITING: Final = 20
"""Trainings of one user that may wait at once."""
_ATTEMPTS: Final = 3
"""Starts after which a training that never begins is given up."""

_log = logging.getLogger(__name__)


class Entry(Config):
    """A training in the queue.

    Attributes:
        user: key of the user.
        run: id of a run of this user; empty for other work.
        job: path of other work that trains networks; empty for runs.
        processes: number of processes that share the training.
        attempts: starts so far; 0 while it waits.
    """

    user: str
    run: str = ""
    job: str = ""
    processes: int = Field(1, ge=1)
    attempts: int = Field(0, ge=0)


@dataclass(frozen=True, slots=True)
class Queued:
    """A training in the queue, as others see it.

    Attributes:
        user: key of the user.
        run: id of the run; empty for other work.
        position: 1 for the next one; 0 if it runs.
    """

    user: str
    run: str
    position: int


class TrainingQueue:
    """The queue of a server. Several threads and processes may use it: all state is on disk, behind a lock.

    Args:
        workspace: the operator's workspace.
        audit: where starts and ends are recorded.
    """

    def __init__(self, workspace: Workspace, audit: AuditLog) -> None:
        self._users = Users(workspace)
        self._audit = audit
        self._folder = workspace.root / "training-queue"
        self._damaged = False

    # --- what pages call

    def submit(
        self, user: User, config: TrainConfig, name: str | None, settings: ServeSettings, processes: int = 1
    ) -> Run:
        """Queue a new training; it starts at once if there is a free slot.

        Args:
            user: whose training it is.
            config: the settings.
            name: the name of the run.
            settings: the settings of the server.
            processes: number of processes that share the training.

        Raises:
            LimitError: too many trainings of this user wait.
            WorkspaceError: the disk is full or cannot be written.
        """
        with self._locked():
            self._refuse_many(user)
            run = create_run(config, name, workspace=user.workspace)
            self._append(Entry(user=user.key, run=run.id, processes=processes))
            run.write_status(Status(state="queued", epochs=config.epochs))
        self._audit.write(user.key, "training queued")
        self.advance(settings)
        return run

    def resume(self, user: User, run: Run, settings: ServeSettings) -> None:
        """Queue a stopped, failed or lost run to be resumed; it starts at once if there is a free slot.

        Raises:
            LimitError: too many trainings of this user wait.
            RunError: the run cannot be resumed.
            WorkspaceError: the disk is full or cannot be written.
        """
        with self._locked():
            self._refuse_many(user)
            status = status_for_resuming(run)
            for path, entry in self._entries():
                if (entry.user, entry.run) == (user.key, run.id):
                    path.unlink(missing_ok=True)  # of an earlier attempt
            self._append(Entry(user=user.key, run=run.id, processes=run.processes))
            run.write_status(status.model_copy(update={"state": "queued"}))
        self._audit.write(user.key, "training queued")
        self.advance(settings)

    def cancel(self, user: User, run: Run, detail: Detail = "") -> None:
        """Take a waiting run out of the queue; it can be resumed later. A run that has started is asked to stop.

        Args:
            user: whose run it is.
            run: the run.
            detail: who does so, for the audit log, if it is not the user.

        Raises:
            RunError: the request to stop cannot be written.
        """
        with self._locked():
            if run.state in ACTIVE:
                run.request_stop()
            else:
                if run.state == "queued":
                    _put_back(run)
                for path, entry in self._entries():
                    if (entry.user, entry.run) == (user.key, run.id):
                        path.unlink(missing_ok=True)
        self._audit.write(user.key, "training stopped", detail)

    def start_beside(self, user: User, job: Job, settings: ServeSettings, start: Callable[[], object]) -> None:
        """Start other work that trains networks, which takes a slot but does not wait for one.

        Args:
            user: whose work it is.
            job: the work, active once ``start`` returns.
            settings: the settings of the server.
            start: starts it.

        Raises:
            LimitError: all slots are taken, or a training of this user runs.
        """
        with self._locked():
            running = self._running()
            if any(entry.user == user.key for entry in running):
                raise LimitError("One of your trainings is running. Wait until it ends or stop it, then try again.")
            if len(running) >= settings.trainings:
                raise LimitError(
                    f"{counted(settings.trainings, 'training')} at once {'is' if settings.trainings == 1 else 'are'} allowed "
                    "on this server, and none of them is free. Try again in a few minutes."
                )
            start()
            for path, entry in self._entries():
                if entry.job == str(job.path):
                    path.unlink(missing_ok=True)
            self._append(Entry(user=user.key, job=str(job.path), attempts=1))

    @contextlib.contextmanager
    def slot(self, user: User, settings: ServeSettings) -> Iterator[None]:
        """Hold a slot while the block runs: for work that this process itself waits for.

        Raises:
            LimitError: all slots are taken, or a training of this user runs.
        """
        job = Job(self._folder / "slots" / secrets.token_hex(8))
        with contextlib.ExitStack() as stack:

            def start() -> None:
                make_directory(job.path)
                stack.callback(shutil.rmtree, job.path, ignore_errors=True)
                job.write_status(JobStatus(state="running"))
                stack.enter_context(job.hold("A slot of the queue"))

            self.start_beside(user, job, settings, start)
            yield

    def trainings(self, user: User | None = None) -> list[Queued]:
        """Return what runs and then what waits, in its order, of one user or of all; takes no lock."""
        found = []
        position = 0
        for _, entry in self._entries():
            active = self._is_active(entry)
            waits = not active and self._waits(entry)
            position += waits
            if (active or waits) and (user is None or entry.user == user.key):
                found.append(Queued(entry.user, entry.run, position if waits else 0))
        return sorted(found, key=lambda one: one.position)

    def position_of(self, user: User, run_id: str) -> int | None:
        """Return the position of a waiting run, 1 for the next one; 0 if it runs, None if it is not in the queue."""
        return next((one.position for one in self.trainings(user) if one.run == run_id), None)

    def leave(self, user: User) -> None:
        """Take all waiting trainings of a user out of the queue, and ask the running ones to stop."""
        with self._locked():
            for path, entry in self._entries():
                if entry.user != user.key:
                    continue
                if self._is_active(entry):
                    self._job(entry).request_stop()
                else:
                    path.unlink(missing_ok=True)

    # --- what the server calls

    def advance(self, settings: ServeSettings) -> None:
        """Remove what has ended and start what may start; call this every few seconds."""
        if self._damaged:
            self._damaged = False
            self.recover()
        with self._locked():
            users, busy = set(), 0
            waiting: list[tuple[Path, Entry]] = []
            for path, entry in self._entries():
                if self._is_active(entry):
                    busy += 1
                    users.add(entry.user)
                elif self._waits(entry):
                    waiting.append((path, entry))
                else:
                    path.unlink(missing_ok=True)
                    if entry.attempts:
                        self._audit.write(entry.user, "training ended")
            for path, entry in waiting:
                if busy >= settings.trainings:
                    break
                if entry.user not in users and self._start(path, entry):
                    busy += 1
                    users.add(entry.user)

    def recover(self) -> None:
        """Put runs that say ``queued`` without being in the queue back into it: their files were damaged or deleted.

        The oldest comes first. Call this when the server starts.
        """
        with self._locked():
            known = {(entry.user, entry.run) for _, entry in self._entries()}
            lost = [
                (run.id, user.key)
                for user in self._users
                for run in list_runs(user.workspace)
                if (user.key, run.id) not in known and run.status.state == "queued" and run.state == "queued"
            ]
            for run_id, key in sorted(lost):
                self._append(Entry(user=key, run=run_id))

    # --- under the lock

    def _start(self, path: Path, entry: Entry) -> bool:
        """Start a waiting run; returns whether it starts. What fails again and again is given up, with the reason."""
        user = self._users.by_key(entry.user)
        run = Run(user.workspace.runs / entry.run)
        if is_training(user.workspace) and run.state != "starting":
            return False  # a search for suspect labels, or a training from the command line
        reason = "The training did not start; the run's console.txt may say why."
        if entry.attempts < _ATTEMPTS:
            write_json(path, entry.model_copy(update={"attempts": entry.attempts + 1}).to_dict())
            try:
                start_queued(run, user.workspace, entry.processes)
            except BusyError:
                write_json(path, entry.to_dict())
                return False
            except FerError as error:
                reason = str(error)
                if entry.attempts + 1 < _ATTEMPTS:
                    return False
            else:
                self._audit.write(entry.user, "training started")
                return True
        with contextlib.suppress(FerError):
            run.write_status(run.status.model_copy(update={"state": "failed", "error": reason}))
        path.unlink(missing_ok=True)
        return False

    def _is_active(self, entry: Entry) -> bool:
        """Whether a training that was started is working or about to."""
        return entry.attempts > 0 and self._job(entry).watched_state() in ACTIVE

    def _waits(self, entry: Entry) -> bool:
        """Whether a run waits: it says ``queued``, or a start of it was interrupted before it began."""
        if not entry.run or (run := self._run(entry)) is None:
            return False
        written, state = run.status.state, run.state
        return state == "queued" or (written == "starting" and (state == "lost" or not entry.attempts))

    def _job(self, entry: Entry) -> Job:
        return Run(self._users.by_key(entry.user).workspace.runs / entry.run) if entry.run else Job(Path(entry.job))

    def _run(self, entry: Entry) -> Run | None:
        """Return the run of an entry; None if it was deleted, or its settings are damaged."""
        run = Run(self._users.by_key(entry.user).workspace.runs / entry.run)
        try:
            run.config  # noqa: B018 (raises)
        except RunError:
            return None
        return run

    def _running(self) -> list[Entry]:
        return [entry for _, entry in self._entries() if self._is_active(entry)]

    def _refuse_many(self, user: User) -> None:
        waiting = sum(entry.user == user.key and self._waits(entry) for _, entry in self._entries())
        if waiting >= MOST_WAITING:
            raise LimitError(f"{waiting} of your trainings wait already. Wait until one starts, or cancel one.")

    def _append(self, entry: Entry) -> None:
        numbers = [int(path.stem) for path in self._files()]
        write_json(self._folder / f"{max(numbers, default=0) + 1:09d}.json", entry.to_dict())

    def _entries(self) -> list[tuple[Path, Entry]]:
        """Return the entries in order; a damaged file is set aside as ``.damaged``, and :meth:`recover` finds its run."""
        found = []
        for path in self._files():
            try:
                entry = Entry.parse(path.read_bytes())
                if not is_user_key(entry.user) or Path(entry.run).name != entry.run or not (entry.run or entry.job):
                    raise ConfigError("no training is named")
            except FileNotFoundError:
                continue
            except (OSError, ConfigError) as error:
                _log.warning("the file %s of the training queue is damaged: %s", path.name, error)
                self._damaged = True
                with contextlib.suppress(OSError):
                    path.rename(path.with_suffix(".damaged"))
                continue
            found.append((path, entry))
        return found

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.glob("*.json") if path.stem.isdecimal())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = make_directory(self._folder) / ".lock"
        with held(lock, lambda: RunError("The training queue is busy. Try again in a few seconds.")):
            yield


def _put_back(run: Run) -> None:
    """Give a run that leaves the queue the state it had before; a new one is stopped, so that it can be resumed."""
    status = run.status
    state = status.previous or "stopped"
    run.write_status(status.model_copy(update={"state": state, "previous": None, "error": None}))
