"""Failures to sign in: back to the sign-in page, which says so, instead of a bare error."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pages.ui.shell import identity
from pages.ui.shell.identity.gate import FAILED

_LOGIN: Final = "/auth/login"
_CALLBACK: Final = "/oauth2callback"


def telling_failures(app: ASGIApp) -> ASGIApp:
    """Return the app that tells of failures to sign in; unless people sign in, the app itself."""
    return SignInFailures(app) if identity.server_mode() == "shared" else app


class SignInFailures:
    """Sends the browser to the sign-in page with a note if the identity provider did not answer, or refused.

    Streamlit (1.67) answers 400 and two English words if it cannot reach the provider, and returns without a word if the
    provider sends the browser back without a valid token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        path = scope["path"] if scope["type"] == "http" else ""
        if not path.endswith((_LOGIN, _CALLBACK)):
            await self._app(scope, receive, send)
            return
        base = path.removesuffix(_LOGIN).removesuffix(_CALLBACK)
        # Providers also send browsers here after a sign-out, with neither.
        answers = path.endswith(_CALLBACK) and {"state", "error"} & set(QueryParams(scope.get("query_string", b"")))
        failed = False

        async def send_back(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start":
                failed = message["status"] >= 400 or bool(answers and not _signs_in(message))
                if failed:
                    message = {**message, "status": 302, "headers": list(message.get("headers", ()))}
                    headers = MutableHeaders(scope=message)
                    headers["location"] = f"{base}/?{FAILED}"
                    headers["content-length"] = "0"
            elif failed and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, send_back)


def _signs_in(message: Message) -> bool:
    """Whether an answer sets the sign-in cookie, rather than deleting it."""
    cookies = Headers(raw=list(message.get("headers", ()))).getlist("set-cookie")
    return any(cookie.startswith(f"{USER_COOKIE_NAME}=") and "max-age=0" not in cookie.lower() for cookie in cookies)
