"""Connections from another site's page in a network of its own: ``unshare -n -m python -m tests.browser.alone_refused``.

As :mod:`tests.browser.alone` (Linux, root), with a name server beyond the tap, so that a look-up is counted too. Prints
one JSON document.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.browser.alone import NO_NAMES, knock, tap
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, serve
from tests.browser.conftest import settled
from tests.browser.handshake import FOREIGN, open_websocket

NAME_SERVER = "192.0.2.53"  # reserved for documentation: nobody's address
UNKNOWN = "fer-lab.invalid"


def ask_beyond_the_tap(folder: Path) -> None:
    """Have names looked up beyond the tap in this mount namespace, and give up soon: nobody answers there."""
    servers = folder / "resolv.conf"
    servers.write_text(f"nameserver {NAME_SERVER}\n")
    subprocess.run(["mount", "--bind", servers, "/etc/resolv.conf"], check=True, timeout=10)
    os.environ["RES_OPTIONS"] = "timeout:1 attempts:1"
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


def refuse(url: str, packets: Counter[str]) -> dict[str, Any]:
    """Two connections from a foreign page: the answers, and the packets to other hosts until then and shortly after."""
    packets.clear()
    statuses = [open_websocket(url, Origin=FOREIGN) for _ in range(2)]
    threading.Event().wait(0.5)
    return {"statuses": statuses, "packets_to_other_hosts": dict(packets)}


def main() -> None:
    """Knock and look up a name to prove that the tap works, then refuse before and after a page was opened."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, tap() as packets:
        ask_beyond_the_tap(Path(folder))
        knock()
        with suppress(socket.gaierror):
            socket.getaddrinfo(UNKNOWN, 80, family=socket.AF_INET)
        threading.Event().wait(0.5)
        found: dict[str, Any] = {"noticed": dict(packets)}
        with serve(Path(folder) / "home") as server, sync_playwright() as playwright:
            found["first"] = refuse(server.url, packets)
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *NO_NAMES])
            page = browser.new_page()
            page.set_default_timeout(120_000)
            page.goto(server.url)
            settled(page)
            found["page_opened"] = page.get_by_role("heading", level=1).inner_text()
            found["with_a_page_open"] = refuse(server.url, packets)
            browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
