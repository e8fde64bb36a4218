"""Starting a shared server: it refuses to start in a way that would show one person's files to another."""

from __future__ import annotations

from typing import Final, NoReturn
from urllib.parse import urlsplit

import streamlit as st
import typer
from streamlit import config
from streamlit.auth_util import (
    get_secrets_auth_section,
    get_signing_secret,
    get_validated_redirect_uri,
    is_authlib_installed,
    validate_auth_credentials,
)
from streamlit.errors import StreamlitAuthError

from fer_core.errors import ConfigError, FerError
from fer_core.serve.settings import SHARED_VARIABLE, is_loopback, settings_file
from pages.ui.server.visitors import VISITOR_HEADER
from pages.ui.shell import identity

_SHORTEST_SECRET: Final = 32
_HOW: Final = "docs/deploy.md shows how."
_MEGABYTE: Final = 1 << 20
_WRONG_INPUT: Final = 2  # exit status, as on the command line


def prepare() -> None:
    """Check that the server may start, and set the options of Streamlit that depend on it.

    Called while the server loads ``app.py``: ends the process with one sentence and status 2. A lifespan that raises
    would end it with a traceback and status 3 (uvicorn 0.54).
    """
    try:
        served = identity.server_mode()
        if served == "local":
            return
        settings = identity.serve_settings()
        _set_option("server.maxUploadSize", -(-settings.upload_bytes // _MEGABYTE))
        if not st.get_option("server.enableXsrfProtection"):
            raise ConfigError("server.enableXsrfProtection is off; a shared server needs it. Remove that setting.")
        if st.get_option("server.trustedUserHeaders"):
            raise ConfigError("server.trustedUserHeaders is set; people sign in through [auth] only. Remove it.")
        if served == "open":
            _set_option("server.trustedUserHeaders", {VISITOR_HEADER: identity.VISITOR})
            typer.secho("  Anybody who reaches this server may use it: FER_SHARED is open.", fg="red", err=True)
            return
        _allow_host(check_sign_in())
    except FerError as error:
        _end(str(error))
    if not settings.allow:
        where = settings_file(identity.operator_workspace())
        typer.secho(f"  Nobody can sign in yet: add addresses to 'allow' in {where}.", fg="yellow", err=True)


def check_sign_in() -> str:
    """Check that people can sign in, and return the host by which they reach the server.

    Raises:
        ConfigError: sign-in is not or not safely configured.
    """
    if not get_secrets_auth_section():
        raise ConfigError(
            "This server is shared, but nobody can sign in: .streamlit/secrets.toml has no [auth]. "
            f"{_HOW} To let everybody in without sign-in, set {SHARED_VARIABLE}=open; "
            "for yourself only, set --server.address 127.0.0.1."
        )
    if not is_authlib_installed():
        raise ConfigError('People sign in through Authlib, which is not installed. Run: pip install "fer-lab[serve]"')
    try:
        validate_auth_credentials("default")
    except StreamlitAuthError as error:
        raise ConfigError(f"Sign-in is not configured: {' '.join(str(error).split())} {_HOW}") from error
    redirect = get_validated_redirect_uri()
    parts = urlsplit(redirect or "")
    if not parts.hostname:
        raise ConfigError(
            "redirect_uri in [auth] must be the address of this server with /oauth2callback at its end, such as "
            "https://fer.example.org/oauth2callback."
        )
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise ConfigError(f"redirect_uri in [auth] is {redirect}; it must start with https://, or cookies can be read.")
    if len(get_signing_secret()) < _SHORTEST_SECRET:
        raise ConfigError(
            f"cookie_secret in [auth] is shorter than {_SHORTEST_SECRET} characters; who guesses it can sign in as "
            'anybody. Make one with: python3 -c "import secrets; print(secrets.token_hex(32))"'
        )
    return parts.hostname


def _allow_host(name: str) -> None:
    """Allow the host by which people reach the server; other names stay refused."""
    allowed = [str(host) for host in st.get_option("server.allowedHosts")]
    if name not in allowed:
        _set_option("server.allowedHosts", [*allowed, name])


def _set_option(name: str, value: object) -> None:
    config.set_option(name, value, "FER Lab, for a shared server")


def _end(message: str) -> NoReturn:
    typer.secho(message, fg="red", err=True)
    raise SystemExit(_WRONG_INPUT)
