"""Visitors of an open server: without sign-in, a secret in a cookie keeps them apart."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.server.claims import VISITOR_COOKIE, is_visitor, new_visitor
from pages.ui.shell import identity

VISITOR_HEADER: Final = "x-fer-visitor"
"""Carries the secret from here to ``st.user``, see :func:`pages.ui.server.starting.prepare`; never taken from outside."""


def for_visitors(app: ASGIApp) -> ASGIApp:
    """Return the app with visitors; unless the server is open, the app itself."""
    return Visitors(app) if identity.server_mode() == "open" else app


class Visitors:
    """Gives each browser a secret, and tells Streamlit who opens a websocket.

    A session belongs to the visitor who opened it: nobody who knows only its id can take it over. The cookie ends with
    the browser. A browser that refuses cookies is a new visitor at each connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        cookie = HTTPConnection(scope).cookies.get(VISITOR_COOKIE)
        visitor = cookie if cookie is not None and is_visitor(cookie) else new_visitor()
        name = VISITOR_HEADER.encode()
        headers = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        scope = {**scope, "headers": [*headers, (name, visitor.encode())]}

        async def send_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if answer.get("content-type", "").startswith("text/html"):
                    answer.append("set-cookie", f"{VISITOR_COOKIE}={visitor}; Path=/; HttpOnly; SameSite=Lax")
            await send(message)

        await self._app(scope, receive, send if visitor == cookie else send_cookie)
