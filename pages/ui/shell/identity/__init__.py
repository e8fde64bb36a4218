"""Who uses this browser window, and where their files are; see ``fer_core.serve``.

Every call asks again, which costs a look at two files: a fragment or a callback of a person who was taken off the list
is refused, although Streamlit runs it without ``app.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fer_core.errors import ConfigError, FerError
from fer_core.resources import app_folder, asset
from fer_core.serve.admission import Refusal, SignedOut, SignIn, refusal
from fer_core.serve.admission import is_operator as may_operate
from fer_core.serve.settings import Mode, ServeSettings, mode, read_settings, settings_file
from fer_core.serve.users import User, Users, user_key
from fer_core.workspace import Workspace

VISITOR: Final = "visitor"
"""Claim of an open server, where nobody signs in: the secret of a browser, see ``pages/ui/server/visitors.py``."""

_SEPARATOR = re.compile(r"[/\\]")


class NotSignedIn(FerError):
    """Nobody is signed in any more, or the person may not use the server."""


def server_mode() -> Mode:
    """How this server serves people."""
    return mode(st.get_option("server.address"))


def machine() -> str:
    """Where files are kept and networks run, in texts for the user: ``this machine``, or ``this server``."""
    return "this machine" if server_mode() == "local" else "this server"


def operator_workspace() -> Workspace:
    """The workspace of the server itself: settings, users, logs, and all of one person in local mode."""
    return Workspace.default()


def serve_settings() -> ServeSettings:
    """The settings of the server; read again when the file has changed.

    Raises:
        ConfigError: the settings are not valid.
    """
    path = settings_file(operator_workspace())
    try:
        found = path.stat()
    except OSError:
        return read_settings(operator_workspace())
    return _settings(path, found.st_mtime_ns, found.st_size, found.st_ino)


@st.cache_resource(max_entries=2, show_spinner=False)
def _settings(path: Path, changed: int, size: int, inode: int) -> ServeSettings:
    return read_settings(operator_workspace())


def sign_in() -> SignIn | None:
    """The sign-in of this browser window, admitted or not; None if nobody is signed in."""
    return SignIn.of(st.user.to_dict())


def signed_out() -> SignedOut:
    """The sign-ins that have ended."""
    return SignedOut(operator_workspace())


def why_refused(found: SignIn) -> Refusal | None:
    """Why a person who signed in may not use the server; None if they may.

    Raises:
        ConfigError: the settings are not valid; then nobody may.
    """
    return refusal(found, serve_settings(), signed_out())


def key_in(claims: Mapping[str, Any]) -> str | None:
    """The key of the user with these claims, who may use the server or not; None in local mode and without a user."""
    served = server_mode()
    if served == "open":
        visitor = claims.get(VISITOR)
        return user_key(VISITOR, visitor) if isinstance(visitor, str) and visitor else None
    found = SignIn.of(claims) if served == "shared" else None
    return found.key if found is not None else None


def admitted(claims: Mapping[str, Any]) -> User | None:
    """The user with these claims; None in local mode, and if nobody is signed in who may use the server.

    Of the server's files, the user may name only their own, shipped models, and the data that the operator provides.

    Raises:
        ConfigError: the settings are not valid.
    """
    key = key_in(claims)
    found = SignIn.of(claims)
    if key is None or (found is not None and why_refused(found) is not None):
        return None
    user = Users(operator_workspace()).by_key(key)
    readable = (asset("models"), *serve_settings().sources.values())
    return replace(user, workspace=replace(user.workspace, readable=readable))


def current_user() -> User | None:
    """The user of this browser window; None in local mode, and if nobody is signed in who may use the server.

    On an open server it is the visitor with this browser.

    Raises:
        ConfigError: the settings are not valid.
    """
    return admitted(st.user.to_dict()) if server_mode() != "local" else None


def require_user() -> User:
    """The user of this browser window, on a server for several people.

    If that is nobody any more, a fragment that runs by itself ends, and the whole page runs: it shows the sign-in page.

    Raises:
        NotSignedIn: nobody is signed in who may use the server.
        ConfigError: the settings are not valid.
    """
    context = get_script_run_ctx(suppress_warning=True)
    in_fragment = context is not None and bool(context.fragment_ids_this_run)
    try:
        user = current_user()
    except ConfigError:
        if not in_fragment:
            raise
        user = None
    if user is None:
        if in_fragment:
            st.rerun()
        raise NotSignedIn("You are not signed in any more. Reload the page to sign in.")
    return user


def user_workspace() -> Workspace:
    """The workspace of the user of this browser window; the operator's in local mode.

    Raises:
        NotSignedIn: nobody is signed in who may use the server.
        ConfigError: the settings are not valid.
    """
    return operator_workspace() if server_mode() == "local" else require_user().workspace


def provided() -> dict[str, str]:
    """Data sets that the operator provides: name -> path; empty in local mode.

    Raises:
        ConfigError: the settings are not valid.
    """
    return {} if server_mode() == "local" else {name: str(path) for name, path in serve_settings().sources.items()}


def without_paths(text: str) -> str:
    """Return a text in which files are named without the folders of the server above them; unchanged in local mode."""
    if not _SEPARATOR.search(text) or server_mode() == "local":
        return text
    operator = operator_workspace()
    roots = {operator.root, app_folder(), *(Path(path).parent for path in provided().values())}
    with suppress(FerError):
        roots.add(user_workspace().root)
    for root in sorted((str(root) for root in roots if root.name), key=len, reverse=True):
        text = re.sub(re.escape(root) + r"(?:[/\\]|(?![\w.-]))", "", text)
    return text


def is_operator() -> bool:
    """Whether the user of this window runs the server: in local mode always, on an open server never."""
    served = server_mode()
    if served != "shared":
        return served == "local"
    found = sign_in()
    return found is not None and why_refused(found) is None and may_operate(found, serve_settings())
