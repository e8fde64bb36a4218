"""Media files (pictures, downloads) belong to the session that shows them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from contextvars import ContextVar
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from streamlit.runtime.memory_media_file_storage import MemoryFile
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from streamlit.runtime.media_file_manager import MediaFileManager
    from streamlit.runtime.media_file_storage import MediaFileKind


class SessionMedia:
    """Gives each session media files and addresses of its own.

    Streamlit (1.67) names a file by a hash of its content, of large files of samples only, so that two people share it,
    and whoever knows or guesses the content can ask whether somebody has it. Here the name is a keyed hash of session
    and content: nobody else can know it, and :meth:`session_of` tells whose it is for as long as Streamlit keeps the file.
    """

    def __init__(self, manager: MediaFileManager) -> None:
        self._manager = manager
        self._storage: Any = manager._storage
        self._delete = self._storage.delete_file
        self._execute = manager.execute_deferred
        self._sessions: dict[str, str] = {}
        self._key = secrets.token_bytes(32)
        self._asking: ContextVar[str] = ContextVar("session that downloads a file made on demand", default="")
        self._lock = threading.Lock()

    def install(self) -> None:
        """Replace the functions of Streamlit that name, make and delete files.

        Raises:
            AttributeError: this version of Streamlit stores files in another way.
        """
        if not isinstance(self._storage._files_by_id, dict) or not isinstance(self._manager._deferred_callables, dict):
            raise AttributeError("Streamlit stores media files in another way than in version 1.67")
        self._storage.load_and_get_id = self._load
        self._storage.delete_file = self._remove
        vars(self._manager)["execute_deferred"] = self._make

    def session_of(self, name: str) -> str | None:
        """Return the session that a file belongs to, given the last part of its address; None if there is no such file."""
        with self._lock:
            return self._sessions.get(PurePosixPath(name).stem)

    def _load(self, path_or_data: str | bytes, mimetype: str, kind: MediaFileKind, filename: str | None = None) -> str:
        content: bytes = self._storage._read_file(path_or_data) if isinstance(path_or_data, str) else path_or_data
        context = get_script_run_ctx(suppress_warning=True)
        session = context.session_id if context is not None else self._asking.get()
        described = repr((session, mimetype, str(kind), filename)).encode()
        digest = hmac.new(self._key, hashlib.sha256(described).digest(), hashlib.sha256)
        digest.update(content)
        name = digest.hexdigest()
        with self._lock:
            self._sessions[name] = session
            self._storage._files_by_id.setdefault(name, MemoryFile(content, mimetype, kind, filename))
        return name

    def _remove(self, name: str) -> None:
        with self._lock:
            self._sessions.pop(name, None)
        self._delete(name)

    def _make(self, name: str) -> str:
        """Make a file on demand for the session that has its button; Streamlit does so in a thread of its own."""
        entry = self._manager._deferred_callables.get(name)
        if entry is not None:
            self._asking.set(entry["session_id"])
        return self._execute(name)
