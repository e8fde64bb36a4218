"""The one folder under which everything is written: ``FER_HOME``, else ``./workspace``, else the user's data folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fer_core.errors import WorkspaceError
from fer_core.resources import checkout


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths inside a workspace; nothing is created until something is written."""

    root: Path

    @classmethod
    def default(cls) -> Workspace:
        """The workspace of this program, for the command line and the app; everything else is handed one.

        The environment variable ``FER_HOME`` names it; else it is ``./workspace`` where the program runs from a
        checkout, and the platform's folder for the user's data where it is installed.
        """
        named = os.environ.get("FER_HOME")
        if named:
            return cls(Path(named).expanduser().resolve())
        if checkout() is not None:
            return cls(Path("workspace").resolve())
        import platformdirs

        return cls(platformdirs.user_data_path("fer-lab", appauthor=False))

    @property
    def runs(self) -> Path:
        """One directory for each training run."""
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        """Parsed data sets, evaluations, audits: safe to delete."""
        return self.root / "cache"

    @property
    def jobs(self) -> Path:
        """One directory for each background job that is not a training run."""
        return self.root / "jobs"

    @property
    def marks(self) -> Path:
        """A person's corrections of labels."""
        return self.root / "marks"

    @property
    def classes(self) -> Path:
        """A person's class maps: merged, renamed, dropped and reordered classes."""
        return self.root / "classes"

    @property
    def recordings(self) -> Path:
        """Snapshots and recordings of the webcam."""
        return self.root / "recordings"

    @property
    def predictions(self) -> Path:
        """What was found in folders of photographs, for going on after a break."""
        return self.root / "predictions"

    @property
    def logs(self) -> Path:
        """What went wrong in the app."""
        return self.root / "logs"

    @property
    def app_state(self) -> Path:
        """The data and the model in use, with which the next browser window begins."""
        return self.root / "app.json"

    @property
    def app_lock(self) -> Path:
        """Held by the app that serves this workspace."""
        return self.root / "app.lock"

    @property
    def running_app(self) -> Path:
        """The address of the app that serves this workspace, while it runs."""
        return self.root / "app-server.json"

    @property
    def uploads(self) -> Path:
        """Data sets dragged into the browser."""
        return self.root / "uploads"


def script_workspace(workspace: Workspace | None) -> Workspace:
    """The workspace of a script that names none; only the functions a script begins with call this."""
    return workspace or Workspace.default()


def make_directory(path: Path) -> Path:
    """Create ``path`` with its parents.

    Raises:
        WorkspaceError: the place cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"The folder {path} cannot be created ({error.strerror}). Free or choose a writable place with FER_HOME."
        ) from error
    return path


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its name when the block ends well.

    A reader sees the old content or the new one, never half of it. On an error the old file stays.

    Raises:
        WorkspaceError: the disk is full or the place cannot be written.
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
        raise WorkspaceError(
            f"{path} cannot be written ({error.strerror or error}). "
            "Free some space, or choose another place with FER_HOME."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, atomically. Numbers that are not finite are refused by ``json``."""
    import json

    with atomic_write(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")
