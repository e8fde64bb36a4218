"""Security headers of a shared server."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

from pages.ui.shell import identity

_PRIVATE: Final = "private, no-store"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}


def with_security_headers(app: ASGIApp) -> ASGIApp:
    """Return the app with security headers on every answer; in local mode the app itself."""
    return app if identity.server_mode() == "local" else SecurityHeaders(app)


class SecurityHeaders:
    """Adds headers that tell browsers what pages of this server may do and who may embed them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        page = Path(file_util.get_static_dir()) / "index.html"
        self._headers = {**_HEADERS, "Content-Security-Policy": policy(page.read_text(encoding="utf-8"))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if "/media/" in scope["path"]:  # neither a proxy nor the next person at this browser keeps pictures
                    headers["Cache-Control"] = _PRIVATE
            await send(message)

        await self._app(scope, receive, send_headers if scope["type"] == "http" else send)


def policy(page: str) -> str:
    """Return the content security policy for Streamlit's page.

    Scripts come from this server only; styles may be inline, since Streamlit and its charts write them.
    ``blob:`` is for Streamlit's components and their workers.

    Args:
        page: HTML of Streamlit's page, whose inline scripts are allowed by their hashes.
    """
    scripts = " ".join(f"'sha256-{_hash(script)}'" for script in inline_scripts(page))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' blob: {scripts}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "media-src 'self' blob:",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "manifest-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def inline_scripts(page: str) -> list[str]:
    """Return the scripts that stand in a page itself, as written."""
    found = _Scripts()
    found.feed(page)
    found.close()
    return found.scripts


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note that an inline script starts."""
        self._inside = tag == "script" and not any(name == "src" for name, _ in attrs)
        if self._inside:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        """Add to the script."""
        if self._inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """Note that the script ends."""
        self._inside = False
