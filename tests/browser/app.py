"""Boots the app for browser tests and screenshots: a server process and a Chromium."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
]
BOOT_TIMEOUT = 60.0


@dataclass(frozen=True)
class Server:
    """A running app: its address, its workspace, the file that holds what it printed, and its process."""

    url: str
    home: Path
    log: Path
    pid: int

    def threads(self) -> int:
        """How many threads the app has just now."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def complaints(self) -> list[str]:
        """Lines of what it printed that speak of an error, and the last line of each traceback, which names it."""
        words = re.compile(r"error|exception|traceback|unclosed|never (retrieved|awaited)", re.IGNORECASE)
        lines = self.log.read_text(errors="replace").splitlines()
        return [
            line
            for before, line in itertools.pairwise(["", *lines])
            if words.search(line) or (before.startswith("    ") and not line.startswith(" "))
        ]

    def page(self, name: str) -> str:
        """Address of a page; the first one has the bare address."""
        return self.url if name == "overview" else f"{self.url}/{name}"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(home: Path, port: int | None = None, **variables: str) -> Iterator[Server]:
    """Run the app with ``home`` as its workspace until the block ends, then end it with all its children.

    Args:
        home: the workspace.
        port: on which it listens; by default a free one.
        variables: environment variables, such as ``FER_SHARED``.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.txt"
    port = port or free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=PROJECT_ROOT,
            env={**os.environ, "FER_HOME": str(home), **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(url, process, log)
        yield Server(url, home, log, process.pid)
    finally:
        _end(process)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended while starting: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the app did not start within {BOOT_TIMEOUT:g} s: {log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server's process group, which holds nothing but the server and what it started in it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()
