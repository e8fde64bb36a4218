"""A newcomer opens every page: with nothing loaded, with drawn faces and runs, with FER2013; on a desk and on a phone, in
light and dark, by mouse and by keyboard, and with a screen reader's needs."""

from __future__ import annotations

import json

import pytest

from fer_core.workspace import Workspace, write_json
from pages.ui.shell.navigation import PAGES
from tests.browser.app import serve
from tests.browser.axe import axe_faults
from tests.browser.conftest import FEW_FACES, settled, unfold_cover
from tests.browser.layout import broken_layout, walk_by_tab
from tests.run_factory import make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

URLS = [page.url for page in PAGES]
SIZES = ((1440, 900), (390, 844))


@pytest.fixture(scope="module")
def nothing(browser, tmp_path_factory):
    """The app as it is after the first start: an empty workspace."""
    with serve(tmp_path_factory.mktemp("nothing") / "workspace") as running:
        yield running


@pytest.fixture(scope="module")
def drawn(browser, tmp_path_factory):
    """The app on drawn faces, with runs of several kinds."""
    workspace = Workspace(tmp_path_factory.mktemp("drawn"))
    write_json(workspace.app_state, {"data": FEW_FACES})
    make_run("plain augmentation", epochs=14, weights=True, workspace=workspace)
    make_run("as the report did", epochs=14, protocol="leaky", weights=True, workspace=workspace)
    make_run("too fast", epochs=2, planned=14, state="failed", error="The loss is not finite.", workspace=workspace)
    make_run("power cut", epochs=5, planned=14, state="running", workspace=workspace)
    with serve(workspace.root) as running:
        yield running


@pytest.fixture(scope="module")
def real(browser, tmp_path_factory, fer2013_zip):
    """The app on FER2013."""
    workspace = Workspace(tmp_path_factory.mktemp("real"))
    write_json(workspace.app_state, {"data": str(fer2013_zip)})
    with serve(workspace.root) as running:
        yield running


def open_page(server, page, url: str) -> None:
    """Open a page and wait until all of it is there; nothing on it may be broken."""
    page.set_default_timeout(180_000)  # FER2013 is evaluated at the first visit
    page.goto(server.page(url))
    page.get_by_role("heading", level=1).wait_for()
    settled(page)
    if url == "upload":
        unfold_cover(page)
    nothing_broke(server, page)


def nothing_broke(server, page) -> None:
    """No traceback, no defect, no calm error either, and a log without a word of one."""
    assert page.locator("[data-testid=stException]").count() == 0
    errors = page.locator("[data-testid=stAlertContentError]")
    ours = [text for text in errors.all_inner_texts() if "not finite" not in text]  # the reason of the failed run
    assert not ours
    assert not (server.home / "logs" / "app.log").exists()
    assert not server.complaints()


def check_looks(page) -> list[str]:
    """What is wrong at both sizes in both themes."""
    wrong = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(800)  # charts and walls follow the width
            settled(page)
            where = f"{scheme} {width}×{height}"
            wrong += [f"{where}: {line}" for line in broken_layout(page)]
            wrong += [f"{where}: {json.dumps(fault)}" for fault in axe_faults(page)]
    return wrong


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("state", ["nothing", "drawn", pytest.param("real", marks=pytest.mark.real_data)])
def test_a_page_looks_right_and_says_no_error(state, url, page, request):
    server = request.getfixturevalue(state)
    open_page(server, page, url)
    assert check_looks(page) == []
    nothing_broke(server, page)


@pytest.mark.parametrize("url", URLS)
def test_every_control_of_a_page_is_reached_by_keyboard_and_shows_that_it_has_the_focus(drawn, page, url):
    open_page(drawn, page, url)
    walk = walk_by_tab(page)
    assert not walk.trapped, f"the focus does not leave {walk.reached[-3:]}"
    assert not walk.missed
    assert not walk.without_mark
    assert sum(name.startswith("a ") for name in walk.reached) >= len(PAGES)  # the menu
