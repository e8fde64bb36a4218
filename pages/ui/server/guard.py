"""The guard of a shared server: every request but those of the sign-in page needs a user, and reaches only their own."""

from __future__ import annotations

from typing import Any, Final, Literal

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime, get_instance

from fer_core.errors import ConfigError
from pages.ui.server.claims import claims_of, keep_few_claims
from pages.ui.server.media import SessionMedia
from pages.ui.shell import identity

HEALTH: Final = "/healthz"
Kind = Literal["open", "health", "user", "media", "upload", "closed"]

_OPEN: Final = ("/_stcore/health", "/_stcore/host-config", "/_stcore/stream")
"""What a browser needs to show the sign-in page. A session without a user sees nothing else, see ``identity.gate``."""
_FOR_USERS: Final = ("/component/", "/_stcore/bidi-components/")
_MEDIA: Final = "/media/"
_UPLOAD: Final = "/_stcore/upload_file/"
_RESERVED: Final = ("/_stcore", "/media", "/component", "/app")


def guarded(app: ASGIApp) -> ASGIApp:
    """Return the app behind the guard; in local mode the app itself."""
    return app if identity.server_mode() == "local" else Guard(app, get_instance())


class Guard:
    """Answers requests that the user may not make with 401 (nobody is signed in) or 404, which tells nothing.

    Websockets pass: who is signed in through one is decided in every run of the script, and Streamlit resumes a session
    only for the claims that started it (``AppSession.matches_user_info``, Streamlit 1.67).
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._sessions: Any = runtime._session_mgr
        self._media = SessionMedia(runtime.media_file_mgr)
        self._media.install()
        keep_few_claims()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        status = self._status(scope) if scope["type"] == "http" else None
        if status is None:
            await self._app(scope, receive, send)
            return
        text = {200: "ok", 401: "Sign in first."}.get(status, "Not found")
        await PlainTextResponse(text, status, headers={"Cache-Control": "no-store"})(scope, receive, send)

    def _status(self, scope: Scope) -> int | None:
        """Return the status to answer with; None passes the request on."""
        path = _without_base(scope["path"])
        kind = kind_of(path)
        if kind in ("open", "health", "closed"):
            return {"open": None, "health": 200, "closed": 404}[kind]
        user = self._user(scope)
        if user is None:
            return 401
        if kind == "media":
            session = self._media.session_of(path.removeprefix(_MEDIA))
        elif kind == "upload":
            session = path.removeprefix(_UPLOAD).split("/")[0]
        else:
            return None
        return None if session is not None and self.owner(session) == user else 404

    @staticmethod
    def _user(scope: Scope) -> str | None:
        """Return the key of the user who sends a request; None if it is nobody who may use the server."""
        try:
            user = identity.admitted(claims_of(HTTPConnection(scope).cookies))
        except ConfigError:  # the pages say so
            return None
        return user.key if user is not None else None

    def owner(self, session: str) -> str | None:
        """Return the key of the user of a connected session; None if it is not connected, or nobody is signed in."""
        found = self._sessions.get_active_session_info(session)
        return identity.key_in(found.session._user_info) if found is not None else None


def kind_of(path: str) -> Kind:
    """Return what a path needs: nothing, a user, the user's own session, or that it is never served.

    Whatever is not listed and not below a name that Streamlit reserves is one of its static files, the same for everybody.
    """
    if path == HEALTH:
        return "health"
    if path in _OPEN:
        return "open"
    if path.startswith(_MEDIA):
        return "media"
    if path.startswith(_UPLOAD):
        return "upload"
    if path.startswith(_FOR_USERS):
        return "user"
    return "closed" if any(path == name or path.startswith(f"{name}/") for name in _RESERVED) else "open"


def _without_base(path: str) -> str:
    """Return a path without ``server.baseUrlPath``, whose part before every route it is."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return path.removeprefix(f"/{base}") if base else path
