"""Opens websockets and asks for pages under any Host and Origin; a browser sets these two itself."""

from __future__ import annotations

import base64
import os
from http.client import HTTPConnection
from urllib.parse import urlsplit

PATIENCE = 120.0  # seconds; a server that looks up names blocks for many
FOREIGN = "http://evil.example"


def ask(url: str, path: str, *, method: str = "GET", **headers: str) -> tuple[int, str]:
    """One request to a server: the status and the body of its answer; no body where a websocket opened."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, "" if answer.status == 101 else answer.read().decode(errors="replace")
    finally:
        connection.close()


def open_websocket(url: str, **headers: str) -> int:
    """The status with which the server answers a handshake: 101 where it lets one in."""
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    return ask(url, "/_stcore/stream", **handshake, **headers)[0]
