"""The relay for video (TURN), with credentials that expire.

coturn and this server share a secret. A user name holds the time until which it is valid, and its password is a keyed hash
of it, so coturn checks both without asking anybody (draft-uberti-behave-turn-rest-00; coturn: ``use-auth-secret``).
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_core.errors import ConfigError
from fer_core.serve.settings import ServeSettings


@dataclass(frozen=True, slots=True)
class RelayAccess:
    """What one browser needs to reach the relay.

    Attributes:
        servers: entries for ``iceServers`` of ``RTCPeerConnection``.
        expires: Unix time in seconds from which the relay refuses new connections; a running one goes on.
    """

    servers: tuple[dict[str, Any], ...]
    expires: float


def relay_access(settings: ServeSettings, user: str, now: float) -> RelayAccess | None:
    """Return access to the relay for one user; None if the settings name no relay.

    Args:
        settings: of the server.
        user: key of the user; the relay's log shows it.
        now: Unix time in seconds.

    Raises:
        ConfigError: the secret is missing.
    """
    if not settings.relay:
        return None
    expires = int(now + 60 * settings.relay_minutes)
    relays = [address for address in settings.relay if is_relay(address)]
    others = [address for address in settings.relay if not is_relay(address)]
    servers: list[dict[str, Any]] = [{"urls": others}] if others else []
    if relays:
        name = f"{expires}:{user}"
        password = relay_password(_secret(settings.relay_secret_file), name)
        servers.append({"urls": relays, "username": name, "credential": password})
    return RelayAccess(tuple(servers), expires)


def relay_password(secret: str, name: str) -> str:
    """Return the password that coturn expects: base64 of HMAC-SHA1 of the name, with the secret as key."""
    return base64.b64encode(hmac.digest(secret.encode(), name.encode(), "sha1")).decode()


def is_relay(address: str) -> bool:
    """Whether this is a TURN server, which relays and asks for credentials; a STUN server does neither."""
    return address.startswith(("turn:", "turns:"))


def _secret(path: Path | None) -> str:
    """Read the secret; the file may end with a line break."""
    advice = "Write there the secret that coturn has as static-auth-secret (see docs/deploy.md)."
    if path is None:
        raise ConfigError(f"The settings name a relay but no relay_secret_file. {advice}")
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"relay_secret_file {path} cannot be read ({reason}). {advice}") from error
    if not secret:
        raise ConfigError(f"relay_secret_file {path} is empty. {advice}")
    return secret
