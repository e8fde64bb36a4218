"""The real server answers nobody who calls it by a foreign name, and opens no connection for another site's page."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.browser.app import Server, serve
from tests.browser.handshake import FOREIGN, ask, open_websocket
from tests.browser.test_alone import missing
from tests.paths import PROJECT_ROOT

pytestmark = pytest.mark.browser
FOREIGN_HOST = "evil.example"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("access")) as running:
        yield running


def port(server: Server) -> str:
    return str(urlsplit(server.url).port)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_the_names_of_this_machine_open_a_session(fresh, name):
    host = f"{name}:{port(fresh)}"
    assert ask(fresh.url, "/", Host=host)[0] == 200
    assert open_websocket(fresh.url, Host=host, Origin=f"http://{host}") == 101


def test_what_is_no_browser_opens_a_session(fresh):
    assert open_websocket(fresh.url) == 101


@pytest.mark.parametrize("host", [FOREIGN_HOST, "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.7"])
def test_a_foreign_name_that_leads_here_opens_no_session(fresh, host):
    named = f"{host}:{port(fresh)}"
    assert open_websocket(fresh.url, Host=named, Origin=f"http://{named}") == 400


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/train",
        "/static/index.js",
        "/media/a.png",
        "/component/streamlit_webrtc.component.webrtc_streamer/index.html",
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/_stcore/upload_file/session/file",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_a_foreign_name_that_leads_here_gets_no_answer(fresh, method, path):
    status, answer = ask(fresh.url, path, method=method, Host=f"{FOREIGN_HOST}:{port(fresh)}")
    assert status == 400
    assert answer == "Invalid host header"


def test_a_page_of_another_site_opens_no_session(fresh):
    for origin in (FOREIGN, f"{FOREIGN}:{port(fresh)}", "null", "http://localhost.evil.example", "http://[", ""):
        assert open_websocket(fresh.url, Origin=origin) == 403, origin


def test_a_refused_page_makes_no_packet_leave_the_machine():
    """Neither as the first thing that a server hears, nor after a page was opened; and nobody waits for it."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    command = ["unshare", "-n", "-m", sys.executable, "-m", "tests.browser.alone_refused"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found["noticed"]) == 2  # the tap sees a packet that goes elsewhere, and a name that is looked up
    assert any("fer-lab.invalid" in packet for packet in found["noticed"])
    for when in ("first", "with_a_page_open"):
        assert found[when] == {"statuses": [403, 403], "packets_to_other_hosts": {}}, when
    assert found["page_opened"].startswith("See how a network reads a face")
