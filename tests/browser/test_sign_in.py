"""A shared server with real sign-in: who gets in, what two users see of each other, and what ends with a session."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from fer_core.resources import asset
from fer_core.serve.users import Users, user_key
from fer_core.workspace import Workspace, write_json
from tests.browser.app import CHROMIUM, CHROMIUM_FLAGS, Server
from tests.browser.buttons import listen
from tests.browser.camera import camera_flags, still_clip
from tests.browser.conftest import FEW_FACES, PATIENCE, is_complaint, wait_until
from tests.browser.handshake import ask
from tests.browser.provider import SECRET, Provider, provider, shared_server
from tests.browser.test_webcam import watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SETTINGS = 'allow = ["@example.org"]\n'


@pytest.fixture(scope="module")
def known() -> Iterator[Provider]:
    """Where people sign in."""
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def shared(browser: Browser, known: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for people of example.org."""
    home = tmp_path_factory.mktemp("shared") / "home"
    for name in ("ann", "bob"):
        write_json(workspace_of(known, home, name).app_state, {"data": FEW_FACES})
    with shared_server(home, known, SETTINGS) as running:
        yield running


def workspace_of(known: Provider, home: Any, name: str) -> Workspace:
    return Users(Workspace(home)).by_key(user_key(known.url, name)).workspace


def cookie_of(shared: Server, known: Provider, name: str, **claims: Any) -> str:
    """The cookie that the server would set when this person signs in."""
    basic = {
        "iss": known.url,
        "sub": name,
        "iat": time.time(),
        "email": f"{name}@example.org",
        "name": name.capitalize(),
    }
    value = {**basic, "origin": shared.url, "is_logged_in": True, "provider": "default", **claims}
    return create_signed_value(SECRET, USER_COOKIE_NAME, json.dumps(value)).decode()


@pytest.fixture
def window(browser: Browser, pressed: set[str]) -> Callable[..., BrowserContext]:
    """Opens a browser of its own, signed in if there is a cookie."""

    def opened(shared: Server, cookie: str | None = None) -> BrowserContext:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE)
        listen(context, pressed)
        if cookie is not None:
            context.add_cookies([{"name": USER_COOKIE_NAME, "value": cookie, "url": shared.url}])
        return context

    return opened


def only_the_sign_in_page(tab: Page) -> None:
    """Nothing of the app is there: no page, no sidebar."""
    tab.locator(".st-key-sign-in").wait_for()
    wait_until(lambda: not tab.locator("[data-testid=stSidebarUserContent]").is_visible())
    assert tab.locator("h1").all_inner_texts() == ["FER Lab"]
    assert tab.locator("video, iframe, [data-testid=stPageLink]").count() == 0


def sign_in(tab: Page, name: str) -> None:
    """From the sign-in page to the provider, and back."""
    tab.get_by_role("button", name="Sign in").click()
    tab.locator("input[name=sub]").fill(name)
    tab.get_by_role("button", name="Authorize").click()


def open_app(context: BrowserContext, address: str) -> Page:
    tab = context.new_page()
    tab.goto(address)
    tab.get_by_role("button", name="Sign out").wait_for()
    return tab


def test_a_person_signs_in_sees_the_page_and_a_saved_cookie_does_not_outlive_the_sign_out(window, shared, known):
    chosen = random.Random(0)
    long = "".join(chr(0xC0 + chosen.randrange(200)) for _ in range(10_000))
    known.knows("ann", email="ann@example.org", name=long)
    context = window(shared)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if is_complaint(message) and message.location.get("url", "").startswith(shared.url)
            else None
        ),
    )
    tab.goto(shared.page("train"))
    only_the_sign_in_page(tab)
    sign_in(tab, "ann")
    tab.get_by_role("button", name="Sign out").wait_for()
    assert tab.get_by_text(long[:39] + "…").is_visible()
    settled_shared(tab)
    assert complaints == []
    saved = context.cookies(shared.url)
    tab.get_by_role("button", name="Sign out").click()
    tab.wait_for_url(f"{known.url}/**", wait_until="commit")
    assert not any(cookie["name"] == USER_COOKIE_NAME for cookie in context.cookies(shared.url))
    context.clear_cookies()
    context.add_cookies(saved)
    tab.goto(shared.url)
    only_the_sign_in_page(tab)
    assert tab.get_by_text("You have signed out.").is_visible()
    context.close()


def settled_shared(tab: Page) -> None:
    """As :func:`settled`, with functions: the policy of a shared server forbids scripts in texts."""
    tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def test_who_is_not_on_the_list_is_told_and_sees_nothing(window, shared, known):
    known.knows("eve", email="eve@evil.example")
    context = window(shared)
    tab = context.new_page()
    tab.goto(shared.url)
    sign_in(tab, "eve")
    tab.get_by_text("eve@evil.example may not use this server").wait_for()
    only_the_sign_in_page(tab)
    context.close()
    assert not workspace_of(known, shared.home, "eve").root.exists()


@pytest.mark.parametrize(
    "forged",
    [
        {"iat": 0},
        {"is_logged_in": False},
        {"email": "eve@evil.example"},
        {"origin": "https://evil.example"},
        {"sub": ""},
    ],
)
def test_expired_and_forged_cookies_open_nothing(shared, known, forged):
    cookie = f"{USER_COOKIE_NAME}={cookie_of(shared, known, 'ann', **forged)}"
    for path in ("/media/x.png", "/component/x"):
        assert ask(shared.url, path, Cookie=cookie)[0] == 401
    right = f"{USER_COOKIE_NAME}={cookie_of(shared, known, 'ann')}"
    assert ask(shared.url, "/component/x", Cookie=right)[0] == 404  # past the guard, where there is no such component
    assert ask(shared.url, "/component/x", Cookie=right[:-10] + "A" * 10)[0] == 401


def test_two_users_reach_nothing_of_each_other(window, shared, known):
    """Media, uploads and sessions of one, tried with the cookie of the other and without any."""
    ann, bob = (cookie_of(shared, known, name) for name in ("ann", "bob"))
    anns = window(shared, ann)
    tab = anns.new_page()
    tab.goto(shared.page("upload"))
    tab.get_by_role("button", name="Sign out").wait_for()
    media, upload = uploaded(tab)
    headers = {"ann": {"Cookie": f"{USER_COOKIE_NAME}={ann}"}, "bob": {"Cookie": f"{USER_COOKIE_NAME}={bob}"}, "": {}}
    assert {who: ask(shared.url, media, **sent)[0] for who, sent in headers.items()} == {
        "ann": 200,
        "bob": 404,
        "": 401,
    }
    for method in ("PUT", "DELETE"):
        # The own session is refused for another reason: the token against forged requests is missing.
        found = {who: ask(shared.url, upload, method=method, **sent)[0] for who, sent in headers.items()}
        assert found == {"ann": 403, "bob": 404, "": 401}
    assert ask(shared.url, "/_stcore/metrics", **headers["ann"])[0] == 404
    assert ask(shared.url, "/healthz") == (200, "ok")

    # A session is not resumed for another user: Streamlit hands out a new one, and Ann's goes on.
    bobs = window(shared, bob)
    other = bobs.new_page()
    other.add_init_script(as_session(upload.split("/")[-2]))
    other.goto(shared.page("upload"))
    other.get_by_role("button", name="Sign out").wait_for()
    other.get_by_text("Bob").wait_for()
    assert other.locator("[data-testid=stFileUploaderFile]").count() == 0
    assert "user identity mismatch" in shared.log.read_text()  # so the attempt was one
    assert ask(shared.url, media, **headers["ann"])[0] == 200
    assert not any("ann" in path.name.lower() for path in workspace_of(known, shared.home, "bob").root.rglob("*"))
    bobs.close()

    anns.close()
    wait_until(lambda: ask(shared.url, media, **headers["ann"])[0] == 404)


def uploaded(tab: Page) -> tuple[str, str]:
    """Upload a photo on the Upload page; the paths of its picture there, and of the upload itself."""
    picture = tab.locator("img[src*='/media/']").first
    before = picture.get_attribute("src")
    with tab.expect_request(lambda request: request.method == "PUT") as sent:
        tab.locator("input[type=file]").first.set_input_files(asset("samples", "two-portraits.jpg"))
    deadline = time.monotonic() + PATIENCE / 1000
    while picture.get_attribute("src") == before or tab.locator("[data-test-script-state=running]").count():
        assert time.monotonic() < deadline, "the photo is not shown"
        tab.wait_for_timeout(200)
    return urlsplit(picture.get_attribute("src") or "").path, urlsplit(sent.value.url).path


def as_session(session: str) -> str:
    """Script by which a page asks to go on with a session whose id it knows."""
    return f"""
    const Plain = window.WebSocket;
    window.WebSocket = class extends Plain {{
      constructor(address, protocols) {{ super(address, [...[protocols].flat().slice(0, 2), "{session}"]); }}
    }};
    """


def test_a_person_taken_off_the_list_loses_two_open_windows_and_the_camera(browser, window, shared, known, tmp_path):
    cookie = cookie_of(shared, known, "cleo", email="cleo@guests.example")
    (shared.home / "serve.toml").write_text('allow = ["@example.org", "cleo@guests.example"]\n')
    context = window(shared, cookie)
    first = open_app(context, shared.page("derivations"))
    flags = [*CHROMIUM_FLAGS, *camera_flags(still_clip(tmp_path / "face.y4m", "happy"))]
    with browser.browser_type.launch(executable_path=str(CHROMIUM), args=flags) as filming:
        there = filming.new_context(permissions=["camera"])
        there.set_default_timeout(PATIENCE)
        there.add_cookies([{"name": USER_COOKIE_NAME, "value": cookie, "url": shared.url}])
        second = there.new_page()
        watch(second, shared)
        (shared.home / "serve.toml").write_text(SETTINGS)
        for tab in (first, second):
            tab.get_by_text("cleo@guests.example may not use this server").wait_for()
            only_the_sign_in_page(tab)
    context.close()


def test_a_provider_that_is_down_is_said(window, shared, known):
    """The last test of this file: it ends the provider."""
    assert shared.complaints() == []
    known.stop()
    context = window(shared)
    tab = context.new_page()
    tab.goto(shared.url)
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_text("the sign-in service did not answer").wait_for()
    only_the_sign_in_page(tab)
    context.close()
