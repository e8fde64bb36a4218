"""Who may use a shared server: the claims of the identity provider, the allow-list, the lifetime, and sign-outs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fer_core.errors import WorkspaceError
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import user_key
from fer_core.workspace import Workspace, make_directory, write_advice

Refusal = Literal["unlisted", "unverified", "expired", "signed_out"]
"""Why a person who signed in may not use the server; in the order in which it is checked."""

COOKIE_SECONDS: Final = 30 * 24 * 3600.0
"""Streamlit's sign-in cookie lives 30 days (1.67); a copy of it signs in as long."""
_CLOCK_SKEW: Final = 300.0  # seconds that the clock of the identity provider may be ahead
_ADDED_BY_STREAMLIT: Final = frozenset(("origin", "is_logged_in", "tokens"))


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in of a person, as the identity provider told it.

    Attributes:
        key: key of the user, see :func:`fer_core.serve.users.user_key`.
        address: e-mail address; empty if the provider sent none.
        name: what the person is called; never empty, but of any length.
        verified: False if the provider says that the address is not confirmed.
        at: time of signing in, in seconds since 1970.
        digest: stands for this sign-in: two sign-ins of one person differ.
    """

    key: str
    address: str
    name: str
    verified: bool
    at: float
    digest: str

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> SignIn | None:
        """Read the claims of an ID token (OpenID Connect Core 1.0, section 2); None if nobody is signed in.

        A token without issuer, subject or time of issue, which the standard requires, signs nobody in.
        """
        issuer, subject, address, name = (_text(claims, claim) for claim in ("iss", "sub", "email", "name"))
        at = claims.get("iat")
        if claims.get("is_logged_in") is not True or not (issuer and subject):
            return None
        if isinstance(at, bool) or not isinstance(at, int | float):
            return None
        return cls(
            key=user_key(issuer, subject),
            address=address,
            name=name or address or "Signed in",
            verified=str(claims.get("email_verified", True)).lower() not in ("false", "0"),  # some send texts
            at=float(at),
            digest=_digest(claims),
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""


def _digest(claims: Mapping[str, Any]) -> str:
    """Return SHA-256 of the claims without what Streamlit adds to them, equal for its cookie and ``st.user``."""
    own = {name: value for name, value in claims.items() if name not in _ADDED_BY_STREAMLIT}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


class SignedOut:
    """The sign-ins that were ended by signing out, in ``signed-out/`` of the operator's workspace.

    Streamlit's cookie cannot be withdrawn: a saved copy signs in again for 30 days. One empty file stands for each
    sign-in that has ended, so that no crash can damage a list.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.root / "signed-out"

    def add(self, sign_in: SignIn) -> None:
        """End a sign-in for good, and forget those whose cookies no longer work.

        Raises:
            WorkspaceError: the folder cannot be written; the sign-in is still valid.
        """
        make_directory(self._folder)
        try:
            (self._folder / sign_in.digest).touch()
        except OSError as error:
            advice = write_advice(error) or "Tell the operator of this server."
            raise WorkspaceError(f"You could not be signed out ({error.strerror or error}). {advice}") from error
        oldest = time.time() - COOKIE_SECONDS
        for path in self._folder.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def __contains__(self, sign_in: SignIn) -> bool:
        return (self._folder / sign_in.digest).exists()


def refusal(
    sign_in: SignIn, settings: ServeSettings, signed_out: SignedOut, *, now: float | None = None
) -> Refusal | None:
    """Return why a person may not use the server; None if they may.

    Args:
        sign_in: who signed in.
        settings: of the server.
        signed_out: sign-ins that have ended.
        now: seconds since 1970; the current time if None.
    """
    age = (time.time() if now is None else now) - sign_in.at
    if not is_listed(sign_in.address, settings.allow):
        return "unlisted"
    if not sign_in.verified:
        return "unverified"
    if not -_CLOCK_SKEW <= age < settings.session_hours * 3600:
        return "expired"
    return "signed_out" if sign_in in signed_out else None


def is_operator(sign_in: SignIn, settings: ServeSettings) -> bool:
    """Whether this person sees the Operator page, if admitted at all."""
    return is_listed(sign_in.address, settings.operators)


def is_listed(address: str, entries: Iterable[str]) -> bool:
    """Whether a list names an e-mail address, or its domain as ``@example.org``; subdomains need entries of their own.

    Upper and lower case of the letters A to Z are the same. Other letters are not: folding them would make one address
    of two that belong to different people.
    """
    address = _lower(address)
    local, at, domain = address.partition("@")
    if not local or not domain or "@" in domain or not address.isprintable() or " " in address:
        return False
    return any(_lower(entry.strip()) in (address, at + domain) for entry in entries)


def _lower(text: str) -> str:
    """Lower A to Z only, as :meth:`bytes.lower` does."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
