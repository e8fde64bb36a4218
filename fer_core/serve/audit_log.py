"""The audit log of a shared server: who signed in, trained, deleted, by the users' keys.

One JSON object per line, in ``logs/audit.jsonl`` of the operator's workspace. It has no names, e-mail addresses, pictures or
file names, and cannot: events and details are taken from fixed lists.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import Final, Literal, get_args

from fer_core.serve.users import is_user_key
from fer_core.workspace import Workspace

Event = Literal[
    "signed in",
    "signed out",
    "training queued",
    "training started",
    "training ended",
    "training stopped",
    "deleted",
    "downloaded",
    "refused",
]
"""What happened."""
Detail = Literal["", "space", "upload", "prediction", "training", "camera", "account", "by the operator"]
"""What a refusal, a deletion or a download was about."""

MAX_BYTES: Final = 2_000_000
"""Size at which the log rotates; the previous files are ``audit.jsonl.1`` to ``audit.jsonl.5``."""
_BACKUPS: Final = 5
_REPEATED: Final = 60.0  # seconds in which the same refusal is written once

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line.

    Attributes:
        time: UTC, ISO 8601.
        user: key of the user.
        event: what happened.
        detail: what it was about; may be empty.
    """

    time: str
    user: str
    event: str
    detail: str = ""


class AuditLog:
    """Writes and reads the audit log; thread-safe. A log that cannot be written stops nobody; the server's log says so.

    Args:
        workspace: the operator's workspace.
        clock: UTC seconds since 1970.
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.time) -> None:
        self.path = workspace.logs / "audit.jsonl"
        self._clock = clock
        self._lock = threading.Lock()
        self._refused: dict[tuple[str, str], float] = {}

    def write(self, user_key: str, event: Event, detail: Detail = "") -> None:
        """Append an event; the same refusal of a user is written at most once a minute."""
        if not is_user_key(user_key) or event not in get_args(Event) or detail not in get_args(Detail):
            raise ValueError("the audit log takes keys of users, events and details of its lists only")
        with self._lock:
            now = self._clock()
            if event == "refused" and self._is_repeated(user_key, detail, now):
                return
            moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
            line = {"time": moment, "user": user_key, "event": event, **({"detail": detail} if detail else {})}
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with closing(
                    _Lines(self.path, maxBytes=MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8", delay=True)
                ) as log:
                    log.emit(logging.makeLogRecord({"msg": json.dumps(line)}))
            except OSError as error:
                _log.warning("the audit log cannot be written: %s", error.strerror)

    def last(self, count: int = 100) -> list[AuditEntry]:
        """Return the newest entries, newest first; damaged lines are left out."""
        found: list[AuditEntry] = []
        for path in (self.path, *(self.path.with_name(f"{self.path.name}.{n}") for n in range(1, _BACKUPS + 1))):
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
            for line in reversed(lines):
                if len(found) == count:
                    return found
                with suppress(ValueError, TypeError):
                    found.append(AuditEntry(**json.loads(line)))
        return found

    def _is_repeated(self, user_key: str, detail: str, now: float) -> bool:
        self._refused = {key: when for key, when in self._refused.items() if abs(now - when) < _REPEATED}
        if (user_key, detail) in self._refused:
            return True
        self._refused[user_key, detail] = now
        return False


class _Lines(RotatingFileHandler):
    """A handler that raises its errors."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Re-raise the exception of a failed write."""
        raise  # noqa: PLE0704
