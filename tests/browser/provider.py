"""An identity provider on this machine, and a shared server whose users sign in there."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.app import BOOT_TIMEOUT, Server, free_port, serve

SECRET = secrets.token_hex(32)
"""With which the server signs its cookies."""


@dataclass(frozen=True)
class Provider:
    """A running OpenID Connect provider that lets everybody in by name."""

    url: str
    process: subprocess.Popen[bytes]

    def knows(self, sub: str, **claims: Any) -> None:
        """Set what the provider tells of a person."""
        request = urllib.request.Request(
            f"{self.url}/users/{sub}",
            json.dumps(claims).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=20).close()

    def stop(self) -> None:
        """End the provider."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@contextmanager
def provider() -> Iterator[Provider]:
    """Run a provider until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = Provider(f"http://localhost:{port}", process)
    try:
        deadline = time.monotonic() + BOOT_TIMEOUT
        while True:
            assert time.monotonic() < deadline, "the provider did not start"
            with suppress(OSError):
                urllib.request.urlopen(f"{found.url}/.well-known/openid-configuration", timeout=2).close()
                break
            time.sleep(0.1)
        yield found
    finally:
        if process.poll() is None:
            found.stop()


@contextmanager
def shared_server(
    home: Path, known: Provider, settings: str, *, port: int | None = None, url: str | None = None
) -> Iterator[Server]:
    """Run a shared server until the block ends.

    Args:
        home: the operator's workspace.
        known: where people sign in.
        settings: content of ``serve.toml``.
        port: on which it listens; by default a free one.
        url: address of the proxy in front of it, if there is one.
    """
    port = port or free_port()
    url = url or f"http://localhost:{port}"
    place = home / ".streamlit"
    place.mkdir(parents=True)
    (place / "secrets.toml").write_text(
        "[auth]\n"
        f'redirect_uri = "{url}/oauth2callback"\n'
        f'cookie_secret = "{SECRET}"\n'
        'client_id = "fer"\nclient_secret = "fer"\n'
        f'server_metadata_url = "{known.url}/.well-known/openid-configuration"\n'
    )
    (home / "serve.toml").write_text(settings)
    with serve(home, port, FER_SHARED="1", HOME=str(home)) as running:
        yield Server(f"http://localhost:{port}", running.home, running.log, running.pid)
