"""Caddy and coturn on this machine, with the files of deploy/, for tests of a shared server."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.browser.app import free_port
from tests.paths import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"
_BOOT_SECONDS = 60.0

RELAY_ONLY = """
const Direct = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Direct {
  constructor(configuration) { super({...configuration, iceTransportPolicy: "relay"}); }
};
"""
"""Script that leaves a page no way to connect but through a relay."""


@dataclass(frozen=True)
class Proxy:
    """A running Caddy: its address, and the certificate of its own authority."""

    url: str
    authority: Path

    def ask(self, path: str, method: str = "GET") -> http.client.HTTPResponse:
        """Send one request, with the certificate checked; return the response with its body read."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(urlsplit(self.url).netloc, timeout=60, context=context)
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def browser_flag(self) -> str:
        """A flag that makes Chromium trust this authority, and no other unknown one."""
        sent = self.authority.with_name("intermediate.crt")  # comes with the site's certificate; the root does not
        certificate = x509.load_pem_x509_certificate(sent.read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = base64.b64encode(hashlib.sha256(key).digest()).decode()
        return f"--ignore-certificate-errors-spki-list={digest}"


@contextmanager
def caddy(upstream: str, folder: Path, *, websockets: bool = True) -> Iterator[Proxy]:
    """HTTPS in front of a server, as deploy/Caddyfile has it with Caddy's own authority.

    Args:
        upstream: address of the server.
        folder: for its files; one for each Caddy.
        websockets: whether it lets websockets through, as not every proxy does.
    """
    if shutil.which("caddy") is None:
        pytest.skip("Caddy is not installed")
    port = free_port()
    config = folder / "Caddyfile"  # without the redirect from port 80, which may be in use
    text = (DEPLOY / "Caddyfile").read_text().replace("admin off", "admin off\n\tauto_https disable_redirects")
    config.write_text(text if websockets else text.replace("header_down", "header_up -Upgrade\n\t\theader_down"))
    variables = {
        "FER_DOMAIN": f"localhost:{port}",
        "FER_TLS": "tls internal",
        "FER_UPSTREAM": urlsplit(upstream).netloc,
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    proxy = Proxy(f"https://localhost:{port}", folder / "caddy/pki/authorities/local/root.crt")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]
    with _program(command, folder / "caddy.txt", **variables) as process:
        _wait_for(port, process, folder / "caddy.txt")
        yield proxy


@dataclass(frozen=True)
class Relay:
    """A running coturn: its port on loopback, the file with its secret, and its log."""

    port: int
    secret_file: Path
    log: Path

    def address(self, transport: str = "udp") -> str:
        """The address for ``iceServers``."""
        return f"turn:127.0.0.1:{self.port}?transport={transport}"

    def relayed_bytes(self) -> int:
        """Bytes that it passed on to the server in all sessions that have ended."""
        ended = re.findall(r"peer usage: .*?\bsb=(\d+)", self.log.read_text(errors="replace"))
        return sum(map(int, ended))


@contextmanager
def turnserver(folder: Path) -> Iterator[Relay]:
    """The relay of deploy/turnserver.conf, on loopback and without the system's log."""
    if shutil.which("turnserver") is None:
        pytest.skip("coturn is not installed")
    machine = machine_address()
    secret_file, log, port = folder / "relay-secret", folder / "turnserver.txt", free_port()
    secret_file.write_text(f"{os.urandom(16).hex()}\n")
    values = {
        "listening-port=3478": f"listening-port={port}\nlistening-ip=127.0.0.1\nrelay-ip={machine}",
        "#external-ip=PUBLIC_ADDRESS/MACHINE_ADDRESS": "",
        "MACHINE_ADDRESS": machine,
        "RELAY_SECRET": secret_file.read_text().strip(),
        "FER_DOMAIN": "localhost",
        "\nsyslog\n": f"\nverbose\nlog-file=stdout\npidfile={folder}/turnserver.pid\nuserdb={folder}/turndb\n",
    }
    text = (DEPLOY / "turnserver.conf").read_text()
    for before, after in values.items():
        assert before in text, f"deploy/turnserver.conf has no {before!r}"
        text = text.replace(before, after)
    config = folder / "turnserver.conf"
    config.write_text(text)
    with _program(["turnserver", "-c", str(config)], log) as process:
        _wait_for(port, process, log)
        yield Relay(port, secret_file, log)


def machine_address() -> str:
    """The IPv4 address of a network interface of this machine; video connections do not use loopback."""
    from aioice.ice import get_host_addresses

    found = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not found:
        pytest.skip("this machine has no network interface but loopback")
    return str(found[0])


@contextmanager
def _program(command: list[str], log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the program did not start: {log.read_text(errors='replace')[-2000:]}")
