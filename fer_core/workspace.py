"""The workspace, the one folder for everything that is written: ``FER_HOME``, ``./workspace`` or the user data folder."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from fer_core.errors import WorkspaceError
from fer_core.resources import checkout


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths in a workspace; nothing is created until something is written.

    Attributes:
        root: the folder with everything that is written.
        readable: the files and folders outside of it that its user may name as data or models; None: all of them.
    """

    root: Path
    readable: tuple[Path, ...] | None = field(default=None, compare=False)

    @classmethod
    def default(cls) -> Workspace:
        """Return the workspace of this program; only the command line and the app call this.

        It is the folder in the environment variable ``FER_HOME``; if that is not set, ``./workspace`` in a checkout, and the
        platform's user data folder in an installation.
        """
        named = os.environ.get("FER_HOME")
        if named:
            return cls(Path(named).expanduser().resolve())
        if checkout() is not None:
            return cls(Path("workspace").resolve())
        import platformdirs

        return cls(platformdirs.user_data_path("fer-lab", appauthor=False))

    def may_read(self, path: str | Path) -> bool:
        """Whether the user of this workspace may name a file or folder, after following links."""
        if self.readable is None:
            return True
        try:
            real = Path(path).expanduser().resolve()
            return any(real.is_relative_to(allowed.expanduser().resolve()) for allowed in (self.root, *self.readable))
        except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links, ~name of an unknown user
            return False

    @property
    def runs(self) -> Path:
        """Training runs, one directory each."""
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        """The cache; safe to delete."""
        return self.root / "cache"

    @property
    def jobs(self) -> Path:
        """Background jobs that are not trainings, one directory each."""
        return self.root / "jobs"

    @property
    def marks(self) -> Path:
        """Corrected labels and other marks."""
        return self.root / "marks"

    @property
    def classes(self) -> Path:
        """Class maps: merged, renamed, dropped and reordered classes."""
        return self.root / "classes"

    @property
    def takes(self) -> Path:
        """Takes of own classes: faces that a person recorded or chose on the Teach page, one folder for each name."""
        return self.root / "takes"

    @property
    def taught(self) -> Path:
        """Models with own classes, one folder for each name."""
        return self.root / "taught"

    @property
    def recordings(self) -> Path:
        """Snapshots and recordings of the webcam."""
        return self.root / "recordings"

    @property
    def predictions(self) -> Path:
        """Results of photo folders, for resuming."""
        return self.root / "predictions"

    @property
    def logs(self) -> Path:
        """Log files of the app."""
        return self.root / "logs"

    @property
    def app_state(self) -> Path:
        """The data and model in use, with which a new browser window starts."""
        return self.root / "app.json"

    @property
    def app_lock(self) -> Path:
        """The lock of the app that serves this workspace."""
        return self.root / "app.lock"

    @property
    def running_app(self) -> Path:
        """The address of the app that serves this workspace, while it runs."""
        return self.root / "app-server.json"

    @property
    def uploads(self) -> Path:
        """Uploaded data sets."""
        return self.root / "uploads"


def script_workspace(workspace: Workspace | None) -> Workspace:
    """Return the default workspace if a script passes none; only the functions that scripts call first use this."""
    return workspace or Workspace.default()


def make_directory(path: Path) -> Path:
    """Create ``path`` and its parents.

    Raises:
        WorkspaceError: the folder cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"The folder {path} cannot be created ({error.strerror}). Choose a writable folder with FER_HOME."
        ) from error
    return path


_WRITE_ADVICE: Final[dict[int, str]] = {
    errno.ENOSPC: "Free some space and try again.",
    errno.EDQUOT: "Free some space and try again.",
    errno.EFBIG: "The file is too large for this disk; choose a folder on another one.",
    errno.EACCES: "Choose a folder you may write to.",
    errno.EPERM: "Choose a folder you may write to.",
    errno.EROFS: "Choose a folder you may write to.",
    errno.ENOENT: "Choose an existing folder.",
    errno.ENOTDIR: "Choose an existing folder.",
    errno.EISDIR: "Choose a file name, not a folder.",
    errno.ENAMETOOLONG: "Choose a shorter file name.",
    errno.EIO: "Check the disk, or choose a folder on another one.",
}
"""What to do about an error of the file system, by its number."""


def write_advice(error: BaseException) -> str | None:
    """Return what to do about a failure to write; None if the error does not come from the file system."""
    return _WRITE_ADVICE.get(getattr(error, "errno", None) or 0)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file next to ``path`` that replaces it when the block ends without an error.

    Readers see either the old or the new content. After an error the old file remains.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written.
    """
    make_directory(path.parent)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        advice = write_advice(error) or "Choose another folder with FER_HOME."
        raise WorkspaceError(f"{path} cannot be written ({error.strerror or error}). {advice}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, atomically; NaN and infinity raise an error."""
    import json

    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")
