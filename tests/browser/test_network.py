"""Inside the network, in a real browser."""

import re

import pytest

from tests.browser.conftest import downloaded, settled, wait_until
from tests.browser.test_upload import choose

pytestmark = pytest.mark.browser


def test_a_sheet_is_made_and_a_filter_of_it_is_opened(server, page):
    page.goto(server.page("network"))
    settled(page)
    page.get_by_text("Multiply-accumulates").first.wait_for()
    page.get_by_text("Activations", exact=True).click()
    page.get_by_role("button", name=re.compile("^Open Map 5")).wait_for()
    before = page.get_by_role("img", name=re.compile("^Selected face")).get_attribute("src")
    page.get_by_role("button", name="Other faces").click()
    wait_until(lambda: page.get_by_role("img", name=re.compile("^Selected face")).get_attribute("src") != before)
    settled(page)
    page.get_by_text("All filters", exact=True).click()
    settled(page)
    choose(page, "Convolution", "stem")  # its 32 filters see little of the face, and take little time
    page.get_by_role("button", name="Compute 32 patterns").click()
    page.get_by_text(re.compile("Maximizing the activations, step")).wait_for()
    page.get_by_role("button", name="Open Filter 17").wait_for(timeout=600_000)
    assert downloaded(page, "Download patterns (PNG)")[1][:8] == b"\x89PNG\r\n\x1a\n"
    page.get_by_role("button", name="Open Filter 17").click()
    page.get_by_role("heading", name="Pattern of filter 17").wait_for()
    page.get_by_role("img", name=re.compile("maximizes filter 17")).wait_for()
    page.get_by_role("button", name=re.compile("^Search all")).click()
    page.get_by_text("Below each face: its response").wait_for(timeout=120_000)
    settled(page)
