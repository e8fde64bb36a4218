"""One server and one Chromium for all browser tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fer_core.errors import FerError
from fer_core.jobs import ACTIVE
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import CHROMIUM, Server, chromium, serve
from tests.browser.buttons import listen

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

FEW_FACES = "synthetic:490"
"""The data in use: drawn in a second, and an epoch takes no more."""
LAST = "test_buttons.py"
"""Looks back on the others."""
PATIENCE = 180_000  # milliseconds; the machine may be busy


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; tests that need it are skipped where it is missing.

    It ends with the tests of this folder: as long as Playwright is open, an event loop counts as running in this thread,
    and no other test can have one.
    """
    pytest.importorskip("playwright", reason="Playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip(f"Chromium is not installed here ({CHROMIUM})")
    with chromium() as found:
        yield found


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on a free port with a workspace of its own; trainings it started are stopped in the end."""
    home = tmp_path_factory.mktemp("app")
    write_json(home / "app.json", {"data": FEW_FACES})
    with serve(home) as running:
        try:
            yield running
        finally:
            stop_trainings(Workspace(running.home))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """With a failed test, what its pages showed."""
    report = yield
    if report.failed:
        for name, tab in getattr(item, "funcargs", {}).items():
            if name.endswith("page"):
                report.sections.append((f"what {name} showed", words_of(tab)))
    return report


def words_of(tab: Page) -> str:
    """Address and text of a tab; why not, where it can't be read any more."""
    try:
        return f"{tab.url}\n{tab.locator('body').inner_text(timeout=5000)[:4000]}"
    except Exception as error:
        return f"cannot be read: {error}"


def stop_trainings(workspace: Workspace) -> None:
    """A trainer outlives the server on purpose, so it has to be asked to stop."""
    alive = [run for run in list_runs(workspace) if run.state in ACTIVE]
    for run in alive:
        try:
            run.request_stop()
        except FerError:
            continue
    wait_until(lambda: not any(run.is_alive() for run in alive), seconds=60)


def wait_until(condition, *, seconds: float = PATIENCE / 1000) -> None:
    """Wait for something outside the browser."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back on all tests of this folder comes after them."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session")
def pressed() -> set[str]:
    """The labels of all buttons pressed so far."""
    return set()


@pytest.fixture
def context(browser: Browser, pressed: set[str]) -> Iterator[BrowserContext]:
    """A browser window without memory of others."""
    found = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    found.set_default_timeout(PATIENCE)
    listen(found, pressed)
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab that fails the test on errors in the console, and on any request that leaves this machine."""
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    tab.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    tab.on(
        "request",
        lambda request: complaints.append(f"left this machine: {request.url}") if leaves(request.url) else None,
    )
    yield tab
    assert not complaints, "\n".join(complaints)


STREAMLITS_OWN = (
    "Unrecognized feature:",  # what the frames of older components are allowed, as Streamlit lists it
    "An iframe which has both allow-scripts and allow-same-origin",
    "Unexpected state: Multiple different fragmentIds",  # several components reported in one moment; it goes on
)


def is_complaint(message: ConsoleMessage) -> bool:
    """Errors and warnings, except Streamlit's own: it also looks for its health address beneath a page's address."""
    probing = "/_stcore/" in message.location.get("url", "") and "404" in message.text
    if probing or message.text.startswith(STREAMLITS_OWN):
        return False
    return message.type in ("error", "warning") or "WARN" in message.text


def leaves(url: str) -> bool:
    """Whether an address is not on this machine."""
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def settled(tab: Page) -> None:
    """Wait until the page's script has run and nothing is a placeholder any more."""
    tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    tab.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")


def take_preset(tab: Page, title: str) -> None:
    """On the Train page, choose a preset."""
    take_option(tab, tab.locator(".st-key-train-preset").get_by_role("combobox"), title)


def take_option(tab: Page, box: Locator, name: str) -> None:
    """Choose from a list; a page that draws itself anew meanwhile closes an open list, which is opened again then."""
    from playwright.sync_api import TimeoutError

    for _ in range(5):
        settled(tab)
        box.click()
        with suppress(TimeoutError):
            tab.get_by_role("option", name=name, exact=True).click(timeout=5000)
            settled(tab)
            return
    raise AssertionError(f"'{name}' could not be chosen")


def unfold_cover(tab: Page) -> None:
    """On the Upload page, unfold the part that is drawn only then."""
    tab.get_by_text("Cover a part of the face").click()
    tab.get_by_role("figure", name="The face, to drag a rectangle in").wait_for()
    settled(tab)


def downloaded(place: Page | Locator, button: str) -> tuple[str, bytes]:
    """Press a button, anywhere or in one part of the page, that saves a file; gives the file's name and content."""
    tab = place if hasattr(place, "expect_download") else place.page
    with tab.expect_download() as started:
        place.get_by_role("button", name=button, exact=True).first.click()
    return started.value.suggested_filename, Path(started.value.path()).read_bytes()


def chart_points(tab: Page, quantity: str) -> int:
    """Epochs that the live chart of loss or accuracy shows; 0 when it is not there yet."""
    return int(
        tab.evaluate(
            """(unit) => {
              const charts = [...document.querySelectorAll(".fer-live-chart")].filter((c) => c.layout);
              const chart = charts.find((c) => c.layout.yaxis.title.text.startsWith(unit));
              return chart && chart.data.length ? chart.data[0].x.length : 0;
            }""",
            "Loss" if quantity == "loss" else "Accuracy",
        )
    )
