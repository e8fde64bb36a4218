"""``fer-lab app``: which port, which server, which browser, and what happens where there is none."""

from __future__ import annotations

import errno
import http.server
import json
import os
import socket
import stat
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from fer_core import launcher
from fer_core.errors import FerError
from fer_core.workspace import Workspace, write_json


@pytest.fixture
def said():
    return []


@pytest.fixture
def no_display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def display(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":99")


@pytest.fixture
def opened(monkeypatch):
    """Addresses the default browser was asked for."""
    asked = []
    monkeypatch.setattr("webbrowser.open", asked.append)
    return asked


@pytest.fixture
def healthy():
    """A server that answers like a running app."""

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/_stcore/health" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture
def browser(tmp_path, monkeypatch, display):
    """A browser that notes what it was given and lives until it is ended; the only one there is."""
    program = tmp_path / "bin" / "chromium"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/flags\nexec sleep 60\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(launcher, "_COMMANDS", ("chromium",))
    return tmp_path / "flags"


def wait_for(path):
    for _ in range(200):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().splitlines()
        threading.Event().wait(0.05)
    raise AssertionError(f"{path} never came")


def test_a_taken_port_gives_the_next_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert launcher.free_port(port) > port


def test_a_port_range_without_a_free_one_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65535))
        taken.listen()
        with pytest.raises(FerError, match="--port"):
            launcher.free_port(65535)


def test_a_second_start_opens_the_server_that_runs(workspace, healthy, said, opened, display):
    write_json(workspace.running_app, {"url": healthy})
    with FileLock(workspace.app_lock):
        assert launcher.launch(workspace, say=said.append) == 0
    assert opened == [healthy]
    assert said == [f"FER Lab is already running for this workspace: {healthy}"]


def test_a_lock_without_a_server_that_answers_is_an_error_in_words(workspace, monkeypatch, said):
    monkeypatch.setattr(launcher, "_START_SECONDS", 0.3)
    workspace.root.mkdir(parents=True)
    with FileLock(workspace.app_lock), pytest.raises(FerError, match="does not respond"):
        launcher.launch(workspace, say=said.append)


def test_an_address_file_left_by_a_killed_launcher_is_not_believed(workspace, monkeypatch, said):
    """Nobody holds the lock, so this start serves; a stand-in for Streamlit ends at once."""
    write_json(workspace.running_app, {"url": "http://localhost:1"})
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(FerError, match="stopped during its start"):
        launcher.launch(workspace, say=said.append)


def test_without_a_display_the_address_is_all_there_is(no_display, opened, said):
    launcher._open_tab("http://localhost:8501")
    assert launcher.open_window("http://localhost:8501", said.append) is None
    assert opened == []
    assert "no display" in said[0]


def test_without_a_browser_for_a_window_it_says_so(display, monkeypatch, said):
    monkeypatch.setenv("PATH", "/nowhere")
    assert launcher.open_window("http://localhost:8501", said.append) is None
    assert "Chrome, Chromium or Edge was not found" in said[0]


def test_a_window_has_a_profile_of_its_own_that_goes_with_it(browser, said):
    window = launcher.open_window("http://localhost:8501", said.append)
    flags = wait_for(browser)
    assert "--app=http://localhost:8501" in flags
    assert f"--user-data-dir={window.profile}" in flags
    assert window.profile.is_dir()
    window.close()
    assert not window.profile.exists()
    assert window.process.poll() is not None


def test_the_sandbox_is_only_given_up_where_the_environment_says_so(browser, monkeypatch, said):
    window = launcher.open_window("http://localhost:8501", said.append)
    assert "--no-sandbox" not in wait_for(browser)
    window.close()
    browser.unlink()
    monkeypatch.setenv("FER_BROWSER_FLAGS", "--no-sandbox --lang='de CH'")
    window = launcher.open_window("http://localhost:8501", said.append)
    assert wait_for(browser)[-2:] == ["--no-sandbox", "--lang=de CH"]
    window.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENOSPC])
def test_a_workspace_that_cannot_be_written_is_served_and_named(number, tmp_path, monkeypatch, said):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(FerError, match="stopped during its start"):
        launcher.launch(Workspace(tmp_path / "closed"), say=said.append)
    assert "FER_HOME" in said[0]


def test_an_error_while_serving_is_not_taken_for_a_closed_workspace(workspace, monkeypatch, said):
    served = []

    def fail(*_):
        served.append(1)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(launcher, "_serve", fail)
    with pytest.raises(PermissionError):
        launcher.launch(workspace, say=said.append)
    assert (served, said) == ([1], [])
    with FileLock(workspace.app_lock, timeout=0) as lock:  # the lock was let go
        assert lock.is_locked


def test_the_command_line_passes_port_and_window_on(monkeypatch, workspace):
    from fer_core.cli import main

    given = {}
    monkeypatch.setattr(launcher, "launch", lambda home, **options: given.update(options, home=home) or 0)
    assert main(["app", "--port", "9000", "--window"]) == 0
    assert (given["home"], given["port"], given["window"]) == (workspace, 9000, True)


@pytest.mark.slow
def test_the_server_ends_with_the_launcher_and_takes_its_address_along(workspace):
    command = [sys.executable, "-m", "fer_core", "app", "--port", str(launcher.free_port(20000))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            if workspace.running_app.exists():
                break
            threading.Event().wait(0.1)
        url = json.loads(workspace.running_app.read_text())["url"]
        assert launcher.is_healthy(url)
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert not launcher.is_healthy(url)
    assert not workspace.running_app.exists()
