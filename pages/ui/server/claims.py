"""Who sends a request: the claims in Streamlit's signed cookie, or the secret of a visitor of an open server."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.responses import Response
from streamlit.auth_util import get_origin_from_redirect_uri
from streamlit.web.server.starlette import starlette_auth_routes, starlette_websocket
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from pages.ui.shell import identity

VISITOR_COOKIE: Final = "fer_visitor"
_VISITOR = re.compile(r"[A-Za-z0-9_-]{43}")
_KEPT_CLAIMS: Final = ("iss", "sub", "iat", "nonce", "email", "email_verified", "name")
_KEPT_ADDITIONS: Final = ("origin", "is_logged_in", "provider")
_MAX_IDENTITY: Final = 1000
"""Characters of issuer and subject; the standard allows a subject 255. Both are kept whole, or they would not identify."""
_MAX_TEXT: Final = 320
"""Characters kept of other claims; an e-mail address has no more (RFC 3696)."""
_MAX_TOKEN: Final = 3000
"""Characters of the ID token, which some providers want at sign-out; a longer one is not kept."""

SetCookie = Callable[[Response, dict[str, Any], dict[str, Any]], Awaitable[None]]


def claims_of(cookies: Mapping[str, str]) -> dict[str, Any]:
    """Return the claims of the browser that sends these cookies, as ``st.user`` has them; empty if nobody is signed in.

    The functions of Streamlit (1.67) that read its cookie for a websocket are used for all other requests as well.
    """
    if identity.server_mode() == "open":
        visitor = cookies.get(VISITOR_COOKIE)
        return {identity.VISITOR: visitor} if is_visitor(visitor) else {}
    signed = starlette_websocket._get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
    origin = get_origin_from_redirect_uri()
    if not signed or not origin:
        return {}
    return dict(starlette_websocket._parse_decoded_user_cookie(signed, origin))


def new_visitor() -> str:
    """Return the secret for a new visitor: 256 random bits, which name the visitor's workspace through a hash."""
    return secrets.token_urlsafe(32)


def is_visitor(value: str | None) -> bool:
    """Whether this can be the secret of a visitor."""
    return value is not None and _VISITOR.fullmatch(value) is not None


def keep_few_claims() -> None:
    """Let Streamlit keep only the claims that are needed in its cookies, and no access token.

    Streamlit (1.67) keeps all of them and the tokens. A name of 10,000 characters makes cookies that the server's own
    websocket library refuses, and that browser could never connect again.
    """
    original = starlette_auth_routes._set_auth_cookie
    if not hasattr(original, "__wrapped__"):
        vars(starlette_auth_routes)[original.__name__] = _keeping_few(original)


def _keeping_few(original: SetCookie) -> SetCookie:
    @functools.wraps(original)
    async def set_cookie(response: Response, claims: dict[str, Any], tokens: dict[str, Any]) -> None:
        await original(response, few_claims(claims), few_tokens(tokens))

    return set_cookie


def few_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims that are used, with long texts cut; nobody is signed in by an issuer or subject that is too long."""
    kept = {name: claims[name] for name in (*_KEPT_CLAIMS, *_KEPT_ADDITIONS) if name in claims}
    for name, value in kept.items():
        if not isinstance(value, str):
            continue
        if name not in ("iss", "sub"):
            kept[name] = value[:_MAX_TEXT]
        elif len(value) > _MAX_IDENTITY:
            return {"origin": claims.get("origin"), "is_logged_in": False}
    return kept


def few_tokens(tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ID token if it is short; the access token is never used and not kept."""
    token = tokens.get("id_token")
    return {"id_token": token} if isinstance(token, str) and len(token) <= _MAX_TOKEN else {}
