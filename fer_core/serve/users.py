"""The users of a shared server; each has a workspace of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer_core.workspace import Workspace

_KEY_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person.

    Attributes:
        key: hash of issuer and subject; names the user's folder and stands for the user in logs.
        workspace: the user's workspace.
    """

    key: str
    workspace: Workspace


class Users:
    """The users of a server, in ``users/`` of the operator's workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.root / "users"

    @property
    def folder(self) -> Path:
        """The folder of all users, whether it exists or not."""
        return self._folder

    def user(self, issuer: str, subject: str) -> User:
        """Return the user with this identity; nothing is written before the user writes something."""
        return self.by_key(user_key(issuer, subject))

    def by_key(self, key: str) -> User:
        """Return the user with this key.

        Raises:
            ValueError: this is not a key.
        """
        if not is_user_key(key):
            raise ValueError(f"{key!r} is not the key of a user")
        return User(key, Workspace(self._folder / key))

    def __iter__(self) -> Iterator[User]:
        """Yield the users who have written something."""
        if self._folder.is_dir():
            yield from (self.by_key(path.name) for path in sorted(self._folder.iterdir()) if is_user_key(path.name))


def user_key(issuer: str, subject: str) -> str:
    """Return 32 hexadecimal digits of SHA-256 over issuer and subject, which together identify a person (OpenID Connect
    Core 1.0, section 2: neither does alone)."""
    identity = f"{len(issuer)}:{issuer}{subject}"  # the length keeps ("a", "bc") apart from ("ab", "c")
    return hashlib.sha256(identity.encode()).hexdigest()[:_KEY_LENGTH]


def is_user_key(name: str) -> bool:
    """Whether this is the key of a user, and thus safe as the name of a folder."""
    return len(name) == _KEY_LENGTH and set(name) <= set("0123456789abcdef")
