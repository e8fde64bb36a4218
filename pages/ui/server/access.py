"""Access control: allowed hosts only, websockets only from pages of this server, and on a shared server only users."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.ui.server.connection import with_connection_notice
from pages.ui.server.guard import guarded
from pages.ui.server.headers import with_security_headers
from pages.ui.server.signing_in import telling_failures
from pages.ui.server.visitors import for_visitors

_LOGGER = logging.getLogger(__name__)
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "0.0.0.0"})
"""Origins that Streamlit accepts without a lookup of its external address; other names would trigger the lookup."""
_POLICY_VIOLATION = 1008


def allowed_hosts_only(app: ASGIApp) -> TrustedHostMiddleware:
    """Answer 400 to every request whose Host is not in ``server.allowedHosts``.

    Against DNS rebinding, where another site's name is made to lead to this machine. Streamlit asks the option only
    when a websocket opens; pages, media and uploads would still be answered. As in Streamlit, no entry means any host.
    """
    hosts = [f"[{host}]" if ":" in host else host for host in map(str.strip, st.get_option("server.allowedHosts"))]
    return TrustedHostMiddleware(app, allowed_hosts=hosts or ["*"], www_redirect=False)


class OwnOriginsOnly:
    """Refuse a websocket opened by a page of another site, before Streamlit compares its Origin.

    Streamlit 1.67 refuses it too, but looks for the Origin among the addresses of this machine, and to learn them asks a
    server on the internet, while all windows wait (``is_url_from_allowed_origins`` calls ``net_util.get_external_ip``).
    What passes here is accepted by Streamlit without that look-up: no Origin (not a browser), the Origin of the page
    itself, this machine at any port, and ``browser.serverAddress``. Origins of ``server.corsAllowedOrigins``, of which
    FER Lab has none, pass as well; Streamlit then does the look-up.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        if scope["type"] == "websocket":
            headers = Headers(scope=scope)
            origin, host = headers.get("origin"), headers.get("host")
            if not is_own_origin(origin, host):
                _LOGGER.warning("Refused a connection from a page of another site: origin %r, host %r", origin, host)
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
                return
        await self._app(scope, receive, send)


def is_own_origin(origin: str | None, host: str | None) -> bool:
    """Whether a websocket with these headers is allowed."""
    if origin is None or not st.get_option("server.enableCORS"):
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname
    except ValueError:
        return False
    known = (st.get_option("browser.serverAddress"), *st.get_option("server.corsAllowedOrigins"))
    return bool(parts.netloc) and (parts.netloc == host or name in _THIS_MACHINE or name in map(_hostname, known))


def _hostname(address: str) -> str | None:
    """Return the host name of an address with or without scheme, port and path."""
    address = address.strip()
    return urlsplit(address if "://" in address else f"http://{address}").hostname


MIDDLEWARE: Final = (
    Middleware(with_security_headers),
    Middleware(allowed_hosts_only),
    Middleware(OwnOriginsOnly),
    Middleware(for_visitors),
    Middleware(telling_failures),
    Middleware(guarded),
    Middleware(with_connection_notice),
)
"""Middleware for ``st.App``, first to last; runs before Streamlit's own. In local mode only the two checks do anything."""
