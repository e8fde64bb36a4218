"""A sentence on Streamlit's page for as long as it has no connection to the server."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fer_core.resources import asset
from pages.ui.shell.identity import server_mode

_END: Final = b"</body>"
_IN_FRAMES: Final = ("/component/", "/_stcore/", "/media/")


def with_connection_notice(app: ASGIApp) -> ASGIApp:
    """Return the app with the sentence on its page; in local mode the app itself."""
    return app if server_mode() == "local" else ConnectionNotice(app, asset("connection.html").read_bytes())


class ConnectionNotice:
    """Adds a snippet of HTML to the end of Streamlit's page.

    The page gets all its content through a websocket. Behind a proxy that lets none through, Streamlit (1.67) shows gray
    bars and tries again for ever. The snippet shows itself after ten seconds without a connection, by its style alone.
    """

    def __init__(self, app: ASGIApp, snippet: bytes) -> None:
        self._app = app
        self._snippet = snippet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        if not _opens_page(scope):
            await self._app(scope, receive, send)
            return
        # A compressed page cannot be added to; it has a few kilobytes.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message | None = None  # of a page, until its body is complete
        body = b""

        async def add(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
                return
            if start is not None:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                body = body.replace(_END, self._snippet + _END, 1)
                MutableHeaders(scope=start)["content-length"] = str(len(body))
                await send(start)
                message = {"type": "http.response.body", "body": body}
            await send(message)

        await self._app({**scope, "headers": headers}, receive, add)


def _opens_page(scope: Scope) -> bool:
    """Whether a browser window opens a page, and not a frame, a file or a connection."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith(_IN_FRAMES):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _is_page(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    is_html = headers.get("content-type", "").startswith("text/html")
    return start["status"] == 200 and is_html and "content-encoding" not in headers
