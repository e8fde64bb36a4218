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

from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server, serve
from tests.browser.camera import camera_flags, faces_clip
from tests.browser.conftest import PATIENCE, is_complaint, settled, wait_until
from tests.browser.proxy import RELAY_ONLY, Proxy, Relay, caddy, turnserver
from tests.browser.test_webcam import PLAYING, press, video_frame

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FOREIGN = "fer.test"
"""A name that leads Chromium to this machine, and that no browser takes for it."""


@dataclass(frozen=True)
class Site:
    """A shared server behind Caddy, its relay, and a Chromium with a camera that trusts its authority."""

    server: Server
    proxy: Proxy
    relay: Relay
    browser: Browser

    def settings(self, *relays: str, secret_file: Path | None = None) -> None:
        """Write the settings; the server reads them when the next window opens."""
        named = ", ".join(f'"{relay}"' for relay in relays)
        (self.server.home / "serve.toml").write_text(
            f'relay = [{named}]\nrelay_secret_file = "{secret_file or self.relay.secret_file}"\n'
        )

    @contextmanager
    def window(self) -> Iterator[BrowserContext]:
        """A window without memory of others, with complaints of its console as errors."""
        context = self.browser.new_context(viewport={"width": 1440, "height": 1000}, permissions=["camera"])
        context.set_default_timeout(PATIENCE)
        complaints: list[str] = []
        context.on("console", lambda message: complaints.append(message.text) if _is_wrong(message) else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        try:
            yield context
        finally:
            context.close()
        assert not complaints, "\n".join(complaints)


def _is_wrong(message: ConsoleMessage) -> bool:
    """Complaints, but not that a page without HTTPS has no use for one of the security headers."""
    return is_complaint(message) and not message.text.startswith(
        "The Cross-Origin-Opener-Policy header has been ignored"
    )


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which makes the fake camera's clip, is not installed")
    folder = tmp_path_factory.mktemp("relay")
    names = f"localhost 127.0.0.1 {FOREIGN}"
    with (
        turnserver(folder) as relay,
        serve(folder / "home", FER_SHARED="open", STREAMLIT_SERVER_ALLOWED_HOSTS=names) as server,
        caddy(server.url, folder) as proxy,
    ):
        flags = [proxy.browser_flag(), *camera_flags(faces_clip(folder / "faces.y4m"))]
        flags.append(f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1")
        other = browser.browser_type.launch(executable_path=str(CHROMIUM), args=[*CHROMIUM_FLAGS, *flags])
        try:
            yield Site(server, proxy, relay, other)
        finally:
            other.close()


def open_webcam(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}/webcam")
    settled(page)
    return page


def test_annotated_frames_come_through_https_and_the_relay_only(site):
    site.settings(site.relay.address("udp"), site.relay.address("tcp"))
    with site.window() as context:
        context.add_init_script(RELAY_ONLY)
        page = open_webcam(context, site.proxy.url)
        page.get_by_text("reaches the relay").wait_for()
        frame = video_frame(page)
        press(frame, "START")
        frame.wait_for_function(PLAYING)
        page.get_by_text("2 faces", exact=True).wait_for()
        page.get_by_role("heading", name=re.compile(r"^Face \d+: (happy|surprise), \d+%")).first.wait_for()
        assert page.get_by_text("No connection to FER Lab yet").is_hidden()
        press(frame, "STOP")  # the relay then writes what it passed on
        wait_until(lambda: site.relay.relayed_bytes() > 10_000, seconds=30)
    assert site.server.complaints() == []


def test_the_proxy_adds_what_a_browser_needs_and_closes_the_metrics(site):
    answer = site.proxy.ask("/")
    assert answer.status == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Server"] is None
    cookies = answer.headers.get_all("Set-Cookie") or []
    assert cookies
    assert all(cookie.endswith("; Secure") for cookie in cookies)
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
    with site.window() as context:
        page = open_webcam(context, site.proxy.url)
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


def test_a_page_without_https_says_that_it_needs_it(site):
    with site.window() as context:
        page = open_webcam(context, site.server.url.replace("127.0.0.1", FOREIGN))
        page.get_by_text("Browsers allow cameras only on localhost or over HTTPS").wait_for()
