"""What a user may do with everything they have on a shared server: download it, and delete it."""

from __future__ import annotations

import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from fer_core.errors import RunError, WorkspaceError
from fer_core.jobs import ACTIVE, Job
from fer_core.serve.queue import TrainingQueue
from fer_core.serve.quota import measure
from fer_core.serve.users import User, Users
from fer_core.training.runs import is_training, list_runs
from fer_core.workspace import Workspace, make_directory

_LEFT_OUT: Final = frozenset(("cache", "logs"))
"""Folders of a workspace that contain nothing of the user's own: everything in them can be computed again."""
_WORK_FILES: Final = (".lock", ".part", ".tmp")
DOWNLOAD_SECONDS: Final = 3600.0
"""Seconds for which the zip of a user can be downloaded."""
_CHUNK: Final = 1 << 20
_POLL: Final = 0.2  # seconds
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip can hold."""


def export(
    workspace: Workspace,
    target: IO[bytes],
    *,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> int:
    """Write a zip of a workspace without caches, one piece of a file at a time.

    A file that grows meanwhile, such as the log of a running training, is written as long as it was at the beginning; one
    that disappears is left out.

    Args:
        workspace: what to write.
        target: a file open for writing.
        progress: called with (done, total) bytes.
        stop: returns whether to stop.

    Returns:
        Number of files written.

    Raises:
        WorkspaceError: the disk is full, or ``stop`` returned true.
    """
    paths = list(_own_files(workspace.root))
    total, done, written = sum(size for _, size in paths), 0, 0
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for path, size in paths:
                with suppress(FileNotFoundError), path.open("rb") as file:
                    written += 1
                    with archive.open(_entry(path, workspace.root), "w", force_zip64=True) as copy:
                        left = size
                        while left > 0 and (piece := file.read(min(_CHUNK, left))):
                            if stop is not None and stop():
                                raise WorkspaceError("The download was canceled.")
                            copy.write(piece)
                            left -= len(piece)
                            done += len(piece)
                            if progress is not None:
                                progress(done, total)
    except OSError as error:
        raise WorkspaceError(
            f"The download cannot be prepared ({error.strerror or error}). Try again later."
        ) from error
    return written


def delete(user: User, queue: TrainingQueue, *, wait: float = 60.0) -> None:
    """Delete everything of a user: waiting trainings, running trainings, and the folder with all files.

    Args:
        user: the user.
        queue: the queue of the server.
        wait: longest wait in seconds for running trainings to save and end.

    Raises:
        RunError: a training does not end in time; nothing was deleted yet.
        WorkspaceError: something cannot be deleted.
    """
    queue.leave(user)
    end = time.monotonic() + wait
    while is_training(user.workspace):
        _request_stop(user.workspace)  # again and again: a process that is just starting deletes earlier requests
        if time.monotonic() > end:
            raise RunError("Your training has not ended yet. Wait a minute, then delete your account again.")
        time.sleep(_POLL)
    root = user.workspace.root
    if not root.exists():
        return
    # Renamed first: a window that is still open writes into a new folder, not into one that is half deleted.
    doomed = make_directory(root.parent / ".deleted") / secrets.token_hex(16)
    try:
        root.rename(doomed)
    except OSError as error:
        raise WorkspaceError(f"Your files cannot be deleted ({error.strerror}). Ask the operator.") from error
    sweep_deleted(root.parent)


def forget_visitors(users: Users, queue: TrainingQueue, hours: float, *, now: float | None = None) -> list[str]:
    """Delete the files of visitors of an open server who changed nothing for a while; nobody can come back to them.

    Visitors whose training runs or waits are kept.

    Args:
        users: the visitors of the server.
        queue: the queue of the server.
        hours: time without a change.
        now: seconds since 1970; the current time if None.

    Returns:
        The keys of the visitors whose files were deleted.

    Raises:
        WorkspaceError: something cannot be deleted.
    """
    oldest = (time.time() if now is None else now) - 3600 * hours
    forgotten = []
    for user in users:
        is_old = 0 < measure(user.workspace).changed < oldest
        if is_old and not is_training(user.workspace) and not queue.trainings(user):
            delete(user, queue)
            forgotten.append(user.key)
    return forgotten


def sweep_deleted(users: Path) -> None:
    """Delete what deleted users left, also what a server left that was killed while it deleted.

    Args:
        users: the folder of all users.

    Raises:
        WorkspaceError: something cannot be deleted.
    """
    folder = users / ".deleted"
    for doomed in sorted(folder.iterdir()) if folder.is_dir() else ():
        shutil.rmtree(doomed, ignore_errors=True)
        if doomed.exists():
            raise WorkspaceError("Some files of a deleted account cannot be deleted. Ask the operator.")


def _request_stop(workspace: Workspace) -> None:
    """Ask everything that trains networks in a workspace to stop."""
    jobs = workspace.jobs
    others = [Job(path) for path in sorted(jobs.iterdir())] if jobs.is_dir() else []
    for job in (*list_runs(workspace), *others):
        if job.watched_state() in ACTIVE:
            job.request_stop()


def download_path(workspace: Workspace, user: User) -> Path:
    """Return where the zip of a user is until it is downloaded, in the operator's workspace; one per user."""
    return workspace.root / "downloads" / f"{user.key}.zip"


def sweep_downloads(workspace: Workspace, older_than: float = DOWNLOAD_SECONDS) -> None:
    """Delete zips that were made more than ``older_than`` seconds ago, and what a killed server left of them."""
    folder = workspace.root / "downloads"
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if abs(time.time() - path.stat().st_mtime) >= older_than:
                path.unlink()


def _own_files(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield every file of a workspace with its size, without caches, locks and unfinished files; links are left out."""
    for folder, names, files in os.walk(root):
        if Path(folder) == root:
            names[:] = [name for name in names if name not in _LEFT_OUT]
        names.sort()
        for name in sorted(files):
            path = Path(folder) / name
            if not name.endswith(_WORK_FILES) and not path.is_symlink() and path.is_file():
                with suppress(OSError):
                    yield path, path.stat().st_size


def _entry(path: Path, root: Path) -> zipfile.ZipInfo:
    moment = time.localtime(path.stat().st_mtime)[:6]
    return zipfile.ZipInfo(path.relative_to(root).as_posix(), max(moment, _EPOCH))
