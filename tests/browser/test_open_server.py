"""A shared server without sign-in: everybody may come in, a red line says so, and visitors stay apart all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from fer_core.serve.users import Users, user_key
from fer_core.workspace import Workspace
from pages.ui.server.claims import VISITOR_COOKIE
from tests.browser.app import Server, serve
from tests.browser.conftest import PATIENCE, wait_until
from tests.browser.handshake import ask
from tests.browser.test_sign_in import as_session, uploaded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that anybody may use."""
    with serve(tmp_path_factory.mktemp("open") / "home", FER_SHARED="open") as running:
        yield running


def visit(context: BrowserContext, opened: Server) -> Page:
    """Open the Upload page; its sample is a media file."""
    context.set_default_timeout(PATIENCE)
    tab = context.pages[0] if context.pages else context.new_page()
    tab.goto(opened.page("upload"))
    tab.get_by_text("This server is open").wait_for()
    tab.locator("img[src*='/media/']").first.wait_for()
    return tab


def secret_of(context: BrowserContext) -> str:
    return next(cookie["value"] for cookie in context.cookies() if cookie["name"] == VISITOR_COOKIE)


def test_visitors_reach_nothing_of_each_other_and_a_reload_keeps_what_is_theirs(browser, opened):
    one, two = browser.new_context(), browser.new_context()
    tab = visit(one, opened)
    media, upload = uploaded(tab)
    two.new_page().add_init_script(as_session(upload.split("/")[-2]))
    other = visit(two, opened)
    assert other.locator("[data-testid=stFileUploaderFile]").count() == 0
    assert "user identity mismatch" in opened.log.read_text()
    cookies = {name: {"Cookie": f"{VISITOR_COOKIE}={secret_of(context)}"} for name, context in (("1", one), ("2", two))}
    assert {name: ask(opened.url, media, **sent)[0] for name, sent in cookies.items()} == {"1": 200, "2": 404}
    assert ask(opened.url, media)[0] == 401
    assert ask(opened.url, upload, method="DELETE", **cookies["2"])[0] == 404
    before = secret_of(one)
    visit(one, opened)
    assert secret_of(one) == before
    workspaces = {
        Users(Workspace(opened.home)).by_key(user_key("visitor", secret_of(context))) for context in (one, two)
    }
    assert len(workspaces) == 2
    one.close()
    wait_until(lambda: ask(opened.url, media, **cookies["1"])[0] == 404)
    two.close()
