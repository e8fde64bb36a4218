"""The camera of a shared server: HTTPS through Caddy with its own authority, and video through coturn only."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, free_port, serve
from tests.browser.camera import camera_flags, faces_clip
from tests.browser.conftest import PATIENCE, is_complaint, settled, wait_until
from tests.browser.provider import provider, shared_server
from tests.browser.proxy import RELAY_ONLY, Proxy, Relay, caddy, turnserver
from tests.browser.test_webcam import PLAYING, press, video_frame

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FOREIGN = "fer.test"
"""A name that leads Chromium to this machine, and that no browser takes for it."""


@dataclass(frozen=True)
class Site:
    """A shared server behind Caddy, its relay, and a Chromium with a camera that trusts Caddy's authority."""

    server: Server
    proxy: Proxy
    relay: Relay
    browser: Browser

    def settings(self, *relays: str, secret_file: Path | None = None) -> None:
        """Write the settings; the server reads them when the next window opens."""
        named = ", ".join(f'"{relay}"' for relay in relays)
        (self.server.home / "serve.toml").write_text(
            f'allow = ["@example.org"]\nrelay = [{named}]\nrelay_secret_file = "{secret_file or self.relay.secret_file}"\n'
        )

    @contextmanager
    def webcam(self, script: str = "") -> Iterator[Page]:
        """The Webcam page of a person who has signed in through the proxy; complaints of its console are errors.

        Args:
            script: runs in every document before its own scripts.
        """
        context = self.browser.new_context(viewport={"width": 1440, "height": 1000}, permissions=["camera"])
        context.set_default_timeout(PATIENCE)
        context.add_init_script(script)
        page = context.new_page()
        page.goto(self.proxy.url)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.locator("input[name=sub]").fill("ann")
        page.get_by_role("button", name="Authorize", exact=True).click()
        page.get_by_role("button", name="Sign out").wait_for()
        complaints: list[str] = []
        context.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        try:
            page.goto(f"{self.proxy.url}/webcam")
            settled(page)
            yield page
        finally:
            context.close()
        assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which makes the fake camera's clip, is not installed")
    folder = tmp_path_factory.mktemp("relay")
    port = free_port()
    with (
        provider() as known,
        turnserver(folder) as relay,
        caddy(f"http://127.0.0.1:{port}", folder) as proxy,
        shared_server(folder / "home", known, "", port=port, url=proxy.url) as server,
    ):
        known.knows("ann", email="ann@example.org", email_verified=True, name="Ann")
        flags = [proxy.browser_flag(), *camera_flags(faces_clip(folder / "faces.y4m"))]
        other = browser.browser_type.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *flags])
        try:
            yield Site(server, proxy, relay, other)
        finally:
            other.close()


def test_annotated_frames_come_through_https_and_the_relay_only(site):
    site.settings(site.relay.address("udp"), site.relay.address("tcp"))
    with site.webcam(RELAY_ONLY) as page:
        page.get_by_text("reaches the relay").wait_for()
        frame = video_frame(page)
        press(frame, "START")
        frame.wait_for_function(PLAYING)
        page.get_by_text("2 faces", exact=True).wait_for()
        page.get_by_role("heading", name=re.compile(r"^Face \d+: (happy|surprise), \d+%")).first.wait_for()
        assert page.get_by_text("No connection to FER Lab yet").is_hidden()
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies(site.proxy.url)}
        assert cookies["_streamlit_user"]["httpOnly"]
        assert [name for name, cookie in cookies.items() if not cookie["secure"]] == []
        press(frame, "STOP")  # the relay then writes what it passed on
        wait_until(lambda: site.relay.relayed_bytes() > 10_000, seconds=30)
    assert site.server.complaints() == []


def test_the_proxy_adds_what_a_browser_needs_and_closes_the_metrics(site):
    answer = site.proxy.ask("/")
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Server"] is None
    assert "frame-ancestors" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert site.proxy.ask("/_stcore/metrics").status == 404
    assert site.proxy.ask("/healthz").status == 200


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("secret", "The relay for video refused this page"),
        ("port", "The relay for video does not answer"),
        ("udp", "UDP to the relay is blocked, so video uses TCP"),
        ("file", "The relay for video is not set up correctly"),
    ],
)
def test_the_camera_check_says_what_is_wrong_with_the_relay(site, tmp_path, trouble, words):
    closed = "turn:127.0.0.1:9?transport=udp"
    other = tmp_path / "secret"
    if trouble == "secret":
        other.write_text("not the one that the relay has")
        site.settings(site.relay.address(), secret_file=other)
    elif trouble == "port":
        site.settings(closed)
    elif trouble == "udp":
        site.settings(closed, site.relay.address("tcp"))
    else:
        site.settings(site.relay.address(), secret_file=other)
    with site.webcam() as page:
        page.get_by_text(words).wait_for()
        if trouble in ("secret", "port"):
            page.get_by_role("link", name="Take a snapshot").wait_for()


def test_behind_a_proxy_without_websockets_the_page_says_so(site, tmp_path):
    with caddy(site.server.url, tmp_path, websockets=False) as proxy:
        context = site.browser.new_context(ignore_https_errors=True)  # of another authority
        page = context.new_page()
        page.goto(proxy.url)
        note = page.get_by_text("does not let websockets through")
        assert note.is_hidden()  # for the first ten seconds
        note.wait_for()
        context.close()


def test_a_page_without_https_says_that_it_needs_it(browser, tmp_path):
    """On an open server; where people sign in, they are led to HTTPS."""
    with serve(tmp_path, FER_SHARED="open", STREAMLIT_SERVER_ALLOWED_HOSTS=f"127.0.0.1 {FOREIGN}") as server:
        flags = [*CHROMIUM_FLAGS, f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1"]
        other = browser.browser_type.launch(executable_path=str(CHROMIUM), args=flags)
        try:
            page = other.new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"{server.url.replace('127.0.0.1', FOREIGN)}/webcam")
            page.get_by_text("Browsers allow cameras only on localhost or over HTTPS").wait_for()
        finally:
            other.close()
