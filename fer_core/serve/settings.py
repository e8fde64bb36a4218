"""Settings of a shared server, read from one TOML file."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from fer_core.config import Config
from fer_core.errors import ConfigError
from fer_core.workspace import Workspace

Mode = Literal["local", "shared", "open"]
"""``local``: one person on this machine; ``shared``: people who sign in; ``open``: shared without sign-in."""

SHARED_VARIABLE: Final = "FER_SHARED"
SETTINGS_VARIABLE: Final = "FER_SERVE"
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_MODES: Final[dict[str, Mode]] = {"": "local", "0": "local", "1": "shared", "open": "open"}

Address = Annotated[str, Field(min_length=1, max_length=320)]
RelayAddress = Annotated[str, Field(pattern=r"^(stun|turn)s?:[^/\s]+$", max_length=320)]


class ServeSettings(Config):
    """Who may sign in to a shared server, what they may use, and how much."""

    allow: tuple[Address, ...] = Field(
        (), description="E-mail addresses that may sign in; an entry such as @example.org allows a whole domain."
    )
    operators: tuple[Address, ...] = Field((), description="E-mail addresses of those who see the Operator page.")
    session_hours: float = Field(12.0, gt=0, le=720, description="Hours from signing in until one must sign in again.")
    sources: dict[str, Path] = Field(
        default_factory=dict, description="Data sets that everybody may read: name -> absolute path on the server."
    )
    user_bytes: int = Field(2 * 10**9, ge=10**6, description="Bytes that one user may keep.")
    user_files: int = Field(20_000, ge=10, description="Files that one user may keep.")
    upload_bytes: int = Field(400 * 10**6, ge=10**4, description="Size of one upload, in bytes.")
    trainings: int = Field(1, ge=1, le=1000, description="Trainings that run at once; others wait in the queue.")
    cameras: int = Field(4, ge=0, le=1000, description="Cameras that run at once.")
    idle_camera_minutes: float = Field(
        10.0, gt=0, le=1440, description="Minutes without a face after which a camera is closed."
    )
    uploads_per_minute: int = Field(30, ge=1, description="Uploads of one user per minute.")
    predictions_per_minute: int = Field(120, ge=1, description="Predictions of one user per minute.")
    trainings_per_hour: int = Field(12, ge=1, description="Trainings that one user may start per hour.")
    visitor_hours: float = Field(
        24.0,
        gt=0,
        le=8760,
        description="On an open server: hours without a change after which the files of a visitor are deleted.",
    )
    relay: tuple[RelayAddress, ...] = Field(
        (), description="Addresses of the relay for video, such as turn:fer.example.org:3478?transport=udp."
    )
    relay_secret_file: Path | None = Field(
        None, description="File with the secret that coturn shares with this server (static-auth-secret)."
    )
    relay_minutes: float = Field(60.0, ge=1, le=1440, description="Minutes for which relay credentials are valid.")


def settings_file(workspace: Workspace) -> Path:
    """Return the path of the settings: ``FER_SERVE``, or ``serve.toml`` in the operator's workspace."""
    named = os.environ.get(SETTINGS_VARIABLE)
    return Path(named).expanduser().resolve() if named else workspace.root / "serve.toml"


def read_settings(workspace: Workspace) -> ServeSettings:
    """Read the settings of the server; without a file, all have their defaults.

    Args:
        workspace: the operator's workspace.

    Raises:
        ConfigError: the file named by ``FER_SERVE`` is missing, or the content is not valid.
    """
    path = settings_file(workspace)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if os.environ.get(SETTINGS_VARIABLE):
            raise ConfigError(
                f"{SETTINGS_VARIABLE} names {path}, which does not exist. Create it, or unset the variable."
            ) from None
        return ServeSettings()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}.") from error
    try:
        return ServeSettings.parse(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def mode(address: str | None) -> Mode:
    """Return how a server that listens at ``address`` serves people.

    ``FER_SHARED`` decides (``1`` or ``open``); without it, a server beyond loopback is shared, so that opening a port
    never shows one person's files to others.

    Args:
        address: ``server.address`` of Streamlit; None or empty listens everywhere.

    Raises:
        ConfigError: ``FER_SHARED`` has another value.
    """
    value = os.environ.get(SHARED_VARIABLE, "").strip().lower()
    if value not in _MODES:
        raise ConfigError(f"{SHARED_VARIABLE} is {value!r}; use 1 (people sign in) or open (no sign-in).")
    chosen = _MODES[value]
    return "shared" if chosen == "local" and not is_loopback(address) else chosen


def is_loopback(address: str | None) -> bool:
    """Whether a server at this address is reachable from its own machine only."""
    return address in _LOOPBACK or (address or "").startswith("127.")
