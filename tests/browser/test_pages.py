"""Every page in a real browser: nothing in the console, nothing fetched from elsewhere, nothing wider than a phone."""

import pytest

from fer_core.workspace import Workspace
from pages.ui.shell.navigation import PAGES
from tests.browser.conftest import settled, unfold_cover, wait_until
from tests.run_factory import make_run

pytestmark = pytest.mark.browser

URLS = [page.url for page in PAGES]


@pytest.fixture(scope="module")
def filled(server):
    """The server with a leaky run and one with a long name in its workspace."""
    workspace = Workspace(server.home)
    make_run("as the report did", epochs=6, protocol="leaky", weights=True, workspace=workspace)
    make_run("a-name-without-any-place-to-break-" * 2, epochs=3, weights=True, workspace=workspace)
    return server


@pytest.mark.parametrize("url", URLS)
def test_a_page_opens_without_a_word_in_the_console_and_fits_a_phone(filled, page, url):
    page.goto(filled.page(url))
    page.get_by_role("heading", level=1).wait_for()
    settled(page)
    if url == "upload":
        unfold_cover(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stAlertContentError]").count() == 0

    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    # charts and the wall of faces follow the width, on a busy machine a moment later
    page.wait_for_function(
        """() => {
          const main = document.querySelector("[data-testid=stMain]");
          return [document.documentElement, document.body, main].every((e) => e.scrollWidth <= e.clientWidth);
        }"""
    )


def test_charts_follow_the_theme_without_a_reload(filled, page):
    page.goto(filled.page("train"))
    label = page.locator(".fer-live-chart .xtitle").first
    label.wait_for()
    settled(page)
    on_white = brightness(label)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "document.querySelector('.fer-live-chart .xtitle') && "
        "getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'"
    )
    page.wait_for_timeout(500)
    assert on_white < 90
    assert brightness(label) > 165


def brightness(label) -> float:
    """Mean of red, green and blue of an SVG text."""
    fill = label.evaluate("e => getComputedStyle(e).fill")
    return sum(float(part) for part in fill.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / 3


def test_a_face_opens_enlarged_by_keyboard(filled, page):
    page.goto(filled.page("data"))
    page.locator(".fer-gallery button").first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("img").first.wait_for()
    dialog.get_by_text("train split").or_(dialog.get_by_text("valid split")).or_(
        dialog.get_by_text("test split")
    ).wait_for()


def test_the_sample_of_faces_has_two_of_each_emotion_on_a_laptop_and_whole_rows_on_a_phone(filled, page):
    page.goto(filled.page("overview"))
    faces = page.locator(".fer-gallery figure:visible")
    faces.first.wait_for()
    settled(page)
    wait_until(lambda: faces.count() == 14)
    page.set_viewport_size({"width": 390, "height": 844})
    wait_until(lambda: faces.count() == 10)
    tops = faces.evaluate_all("all => all.map((e) => e.getBoundingClientRect().top)")
    assert tops == [tops[0]] * 5 + [tops[5]] * 5
    assert tops[0] < tops[5]
