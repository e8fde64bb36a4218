"""What the user of this browser window may still do on a shared server; in local mode, everything.

Pages ask before they write or compute. A thread takes the :class:`Limits` along, which ask Streamlit nothing any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol
from weakref import WeakSet

from fer_core.errors import LimitError
from fer_core.formatting import capitalized
from fer_core.serve.admission import SignIn
from fer_core.serve.audit_log import AuditLog, Detail, Event
from fer_core.serve.cameras import Cameras
from fer_core.serve.queue import TrainingQueue
from fer_core.serve.quota import Quotas
from fer_core.serve.rates import Action, RateLimits
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import User
from fer_core.store import format_size
from fer_core.workspace import Workspace
from pages.ui.shell import identity

_RECENT: Final = 600.0
"""Seconds after signing in within which the audit log notes it; an older sign-in was noted before the server restarted."""
_SIGN_INS: Final = 10_000  # remembered


class Recording(Protocol):
    """A live view, such as :class:`fer_core.live.LiveSession`."""

    def stop_recording(self) -> object:
        """Finish the recording, if there is one."""


@dataclass(frozen=True, eq=False)
class Services:
    """What all windows of a server share.

    Attributes:
        recordings: live views that recorded, to be closed whole when the server stops.
        noted: sign-ins that are in the audit log.
    """

    quotas: Quotas
    rates: RateLimits
    cameras: Cameras
    audit: AuditLog
    queue: TrainingQueue
    recordings: WeakSet[Recording] = field(default_factory=WeakSet)
    noted: set[str] = field(default_factory=set)

    def close_recordings(self) -> None:
        """Finish all recordings; call this when no frame comes any more."""
        for live in list(self.recordings):
            live.stop_recording()

    def note_sign_in(self, found: SignIn) -> None:
        """Write a sign-in to the audit log, once."""
        if found.digest in self.noted or abs(time.time() - found.at) > _RECENT:
            return
        if len(self.noted) >= _SIGN_INS:
            self.noted.clear()
        self.noted.add(found.digest)
        self.audit.write(found.key, "signed in")


@lru_cache(maxsize=2)
def services(workspace: Workspace) -> Services:
    """Return the services of the server with this operator's workspace, one of each per process."""
    audit = AuditLog(workspace)
    return Services(Quotas(), RateLimits(), Cameras(), audit, TrainingQueue(workspace, audit))


@dataclass(frozen=True, eq=False)
class Limits:
    """The limits of one user.

    Attributes:
        user: the user; None in local mode, where nothing is limited.
        settings: of the server.
        services: of the server.
    """

    user: User | None
    settings: ServeSettings
    services: Services

    def require_upload(self, *sizes: int, kept: bool = True, what: str = "this upload") -> None:
        """Refuse an upload that has a file that is too large, comes too soon after others, or for which there is no space.

        Args:
            sizes: bytes of its files; together they count once.
            kept: whether the files are written as they are.
            what: what needs the space, as the subject of the message.

        Raises:
            LimitError: it is refused.
        """
        if self.user is None:
            return
        with self._refusals_logged("upload"):
            if (largest := max(sizes)) > self.settings.upload_bytes:
                raise LimitError(
                    f"{capitalized(what)} has {format_size(largest)}; at most {format_size(self.settings.upload_bytes)} "
                    "are allowed on this server. Choose a smaller file."
                )
            self.services.rates.require(self.user.key, "upload", self.settings)
        if kept:
            self.require_space(sum(sizes), len(sizes), what=what)

    def require_space(self, adding_bytes: int = 0, adding_files: int = 1, *, what: str = "this") -> None:
        """Refuse what would not fit; the oldest cache of the user is deleted first.

        Raises:
            QuotaError: the user's space is full.
        """
        if self.user is not None:
            with self._refusals_logged("space"):
                self.services.quotas.require(self.user, self.settings, adding_bytes, adding_files, what=what)

    def space_left(self) -> int | None:
        """Return the bytes the user may still write; None in local mode."""
        return None if self.user is None else self.services.quotas.left(self.user, self.settings)

    def count(self, action: Action) -> None:
        """Count an action, or refuse it.

        Raises:
            RateError: the user did this too often.
        """
        if self.user is not None:
            with self._refusals_logged(action):
                self.services.rates.require(self.user.key, action, self.settings)

    def note(self, event: Event, detail: Detail = "") -> None:
        """Write an event to the audit log; nothing in local mode."""
        if self.user is not None:
            self.services.audit.write(self.user.key, event, detail)

    def changed(self) -> None:
        """Count the user's files anew at the next question: something was deleted."""
        if self.user is not None:
            self.services.quotas.changed(self.user)

    @contextmanager
    def _refusals_logged(self, detail: Detail) -> Iterator[None]:
        try:
            yield
        except LimitError:
            self.note("refused", detail)
            raise


def limits() -> Limits:
    """Return the limits of the user of this browser window.

    Raises:
        NotSignedIn: nobody is signed in who may use the server.
        ConfigError: the settings of the server are not valid.
    """
    shared = services(identity.operator_workspace())
    if identity.server_mode() == "local":
        return Limits(None, ServeSettings(), shared)
    return Limits(identity.require_user(), identity.serve_settings(), shared)
