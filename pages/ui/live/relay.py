"""STUN and TURN servers of a camera connection, with credentials that are made once per browser window."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from fer_core.errors import ConfigError
from fer_core.serve.relay import RelayAccess, relay_access
from pages.ui.live.state import LiveState
from pages.ui.shell.identity import current_user, serve_settings
from pages.ui.shell.session import state_of

_LOGGER = logging.getLogger(__name__)
_LOOK_EVERY: Final = 60  # seconds between two looks at the clock


@dataclass
class RelayState:
    """The access to the relay of this browser window.

    Attributes:
        access: None before the camera's first visit, and if there is no relay.
        faulty: the settings name a relay, but the server cannot make credentials for it.
    """

    access: RelayAccess | None = None
    faulty: bool = False

    @property
    def expired(self) -> bool:
        """Whether the relay refuses the credentials by now."""
        return self.access is not None and time.time() >= self.access.expires


def ice_servers() -> list[dict[str, Any]]:
    """Return the STUN and TURN servers for the browser; none by default.

    They come from ``.streamlit/secrets.toml`` (``[[webrtc.ice_servers]]``) and, on a shared server, from its settings.
    With none, no other machine than the server is contacted.
    """
    return [*_servers_in_secrets(), *_servers_in_settings()]


def _servers_in_secrets() -> list[dict[str, Any]]:
    try:
        found = st.secrets["webrtc"]["ice_servers"]
    except (FileNotFoundError, KeyError):
        return []
    return [dict(server) for server in found]


def _servers_in_settings() -> list[dict[str, Any]]:
    user = current_user()
    if user is None:
        return []
    state = state_of(RelayState)
    # Not anew at each rerun: the video library caches each configuration and never drops one.
    if state.access is None or state.expired:
        try:
            state.access, state.faulty = relay_access(serve_settings(), user.key, time.time()), False
        except ConfigError as error:
            _LOGGER.error("No relay for video: %s", error)  # for the operator; it names files of the server
            state.access, state.faulty = None, True
    return list(state.access.servers) if state.access else []


def relay_is_faulty() -> bool:
    """Whether this server cannot give access to the relay that its settings name."""
    return state_of(RelayState).faulty


def renew_credentials(state: LiveState) -> None:
    """Keep an open page able to start its camera: rerun it once its credentials have expired, unless the camera is on.

    The browser uses those it got with the last run of the page, and START comes without a run before it.
    """
    if state_of(RelayState).access is not None:
        st.fragment(_rerun_when_expired, run_every=_LOOK_EVERY)(state)


def _rerun_when_expired(state: LiveState) -> None:
    if state_of(RelayState).expired and state.camera.since is None:
        st.rerun()
