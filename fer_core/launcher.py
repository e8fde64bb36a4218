"""Starts the app: one server per workspace, opened in the browser or in its own window."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer_core.errors import FerError
from fer_core.jobs import child_environment
from fer_core.resources import app_folder
from fer_core.workspace import Workspace, write_json

DEFAULT_PORT: Final = 8501
"""The first port to try, as with ``streamlit run``."""
_PORTS_TRIED: Final = 100
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 10.0

Say = Callable[[str], None]
"""Shows the user one sentence."""


@dataclass(frozen=True, slots=True)
class Window:
    """A browser in application mode: no tabs, no address bar, and a temporary profile."""

    process: subprocess.Popen[bytes]
    profile: Path

    def close(self) -> None:
        """Stop the browser if it is running, and delete its profile."""
        _end(self.process)
        shutil.rmtree(self.profile, ignore_errors=True)


def launch(workspace: Workspace, *, port: int | None = None, window: bool = False, say: Say = print) -> int:
    """Serve the app until Ctrl-C or, with ``window``, until the window is closed; return the exit status.

    A second call for the same workspace opens the server that is already running.

    Args:
        workspace: the workspace of the app.
        port: the port; if it is in use, the next free one. Default: :data:`DEFAULT_PORT`.
        window: open a separate window instead of a browser tab.
        say: shows the user the address and other messages.

    Raises:
        FerError: no port is free, or the server did not start.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(workspace.app_lock, timeout=0)
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        return _open_running(workspace, window, say)
    except OSError:  # read-only disk, missing permission, or a file of that name
        say(f"{workspace.root} cannot be written, so nothing will be saved. Choose another folder with FER_HOME.")
    try:
        return _serve(workspace, port, window, say)
    finally:
        lock.release()


def _serve(workspace: Workspace, port: int | None, window: bool, say: Say) -> int:
    wanted = port or DEFAULT_PORT
    free = free_port(wanted)
    if free != wanted:
        say(f"Port {wanted} is in use; using port {free}.")
    url = f"http://localhost:{free}"
    with _terminated_by_signals(), _server(workspace, free) as server:
        _wait_until_healthy(url, server)
        with contextlib.suppress(FerError):  # a second start would then serve another workspace
            write_json(workspace.running_app, {"url": url})
        try:
            say(f"FER Lab is at {url} (workspace {workspace.root}). Press Ctrl-C to stop.")
            opened = open_window(url, say) if window else None
            if opened is None:
                _open_tab(url)
                return server.wait()
            with contextlib.closing(opened):
                return _wait_for_either(server, opened)
        except KeyboardInterrupt:
            return 0
        finally:
            workspace.running_app.unlink(missing_ok=True)


def _open_running(workspace: Workspace, window: bool, say: Say) -> int:
    """Open the server that another process runs for this workspace."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            url = str(json.loads(workspace.running_app.read_bytes())["url"])
            if is_healthy(url):
                break
        time.sleep(0.2)
    else:
        raise FerError(
            f"FER Lab is already running for the workspace {workspace.root}, but it does not respond. "
            "Stop that process, or choose another workspace with FER_HOME."
        )
    say(f"FER Lab is already running for this workspace: {url}")
    opened = open_window(url, say) if window else None
    if opened is None:
        _open_tab(url)
        return 0
    with contextlib.closing(opened), contextlib.suppress(KeyboardInterrupt), _terminated_by_signals():
        opened.process.wait()
    return 0


def free_port(first: int) -> int:
    """Return the first free port from ``first`` on.

    Raises:
        FerError: none of a hundred ports is free.
    """
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # on other systems this option would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise FerError(f"No port from {first} to {first + _PORTS_TRIED - 1} is free. Choose another with --port.")


def is_healthy(url: str) -> bool:
    """Return whether the app responds at ``url``."""
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


@contextlib.contextmanager
def _server(workspace: Workspace, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run Streamlit in a separate process until the block ends. Trainings run in their own sessions and continue."""
    command = [sys.executable, "-m", "streamlit", "run", str(app_folder() / "app.py")]
    options = ["--server.port", str(port), "--logger.hideWelcomeMessage", "true"]
    environment = child_environment(workspace)
    process = subprocess.Popen([*command, *options], env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        _end(process)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise FerError(f"The server stopped during its start (status {server.returncode}); see its message above.")
        if is_healthy(url):
            return
        time.sleep(0.1)
    raise FerError(f"The server did not respond within {_START_SECONDS:g} seconds.")


def _wait_for_either(server: subprocess.Popen[bytes], window: Window) -> int:
    """Wait until the window is closed (return 0) or the server stops (return its status)."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            window.process.wait(timeout=0.3)
            return 0
        if server.poll() is not None:
            return server.returncode


@contextlib.contextmanager
def _terminated_by_signals() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C while the block runs, so that server and window stop with this process."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _open_tab(url: str) -> None:
    """Open the default browser if there is a display."""
    if has_display():
        webbrowser.open(url)


def has_display() -> bool:
    """Return whether this machine can show a window; a text browser would block the server's terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_window(url: str, say: Say) -> Window | None:
    """Open a separate window; return None, with a message, if there is no display or no suitable browser.

    If its profile were in use, the browser would pass the address to the running instance and exit, so every window gets a new
    profile. ``FER_BROWSER_FLAGS`` can add browser flags.
    """
    if not has_display():
        say("There is no display for a window.")
        return None
    browser = find_browser()
    if browser is None:
        say("Chrome, Chromium or Edge was not found; opening the default browser instead.")
        return None
    profile = Path(tempfile.mkdtemp(prefix="fer-lab-window-"))
    flags = [
        f"--app={url}",
        f"--user-data-dir={profile}",
        "--window-size=1440,900",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",  # no other machine is contacted
        "--disable-component-update",
        "--disable-sync",
        *shlex.split(os.environ.get("FER_BROWSER_FLAGS", "")),
    ]
    quiet = subprocess.DEVNULL
    return Window(subprocess.Popen([browser, *flags], stdin=quiet, stdout=quiet, stderr=quiet), profile)


_COMMANDS: Final = (
    "google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome",
    "microsoft-edge", "microsoft-edge-stable", "msedge",
)  # fmt: skip
_MAC_BROWSERS: Final = ("Google Chrome", "Chromium", "Microsoft Edge")
_WINDOWS_BROWSERS: Final = (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe")


def find_browser() -> str | None:
    """Return the path of Chrome, Chromium or Edge; None if none is installed."""
    candidates = [found for name in _COMMANDS if (found := shutil.which(name))]
    if sys.platform == "darwin":
        candidates += [f"/Applications/{name}.app/Contents/MacOS/{name}" for name in _MAC_BROWSERS]
    if sys.platform == "win32":
        roots = [os.environ.get(name) for name in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")]
        candidates += [str(Path(root) / name) for root in roots if root for name in _WINDOWS_BROWSERS]
    return next((path for path in candidates if Path(path).is_file()), None)
