"""Photographs looked into, in a real browser."""

import re

import numpy as np
import pytest

from fer_core.workspace import ASSETS, PROJECT_ROOT
from tests.browser.conftest import settled, wait_until

pytestmark = pytest.mark.browser

REAL = PROJECT_ROOT.parent / "shared" / "data" / "photos"
TWO = [ASSETS / "samples" / "two-portraits.jpg", ASSETS / "samples" / "five-portraits.jpg"]


def open_with(server, page, files):
    page.goto(server.page("upload"))
    settled(page)
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    page.get_by_text(f"All {len(files)} photographs").wait_for()
    settled(page)


def test_two_photographs_are_looked_into(server, page):
    open_with(server, page, TWO)
    page.get_by_role("img", name=re.compile("^2 faces: 1 happy")).wait_for()
    page.get_by_text(re.compile("Face 1: happy")).wait_for()
    assert (
        page.locator(".js-plotly-plot .bars .point").count() >= 14
    )  # seven bars, and seven twice in the patch's chart

    # another class changes the map
    grad_cam = page.get_by_role("img", name=re.compile("^Grad-CAM for"))
    before = grad_cam.get_attribute("src")
    choose(page, "Explain the class", "sad")
    page.get_by_role("img", name="Grad-CAM for sad").wait_for()
    assert grad_cam.get_attribute("src") != before

    # the test of belief runs
    page.get_by_role("button", name=re.compile("Test the Grad-CAM map")).click()
    page.get_by_text(re.compile("With scrambled weights")).first.wait_for()

    # a patch dragged over the face moves the bars
    said = page.get_by_text(re.compile("It still says|It no longer says"))
    first = said.inner_text()
    plot = page.get_by_role("figure", name="The face, to drag a rectangle in")
    drag(page, plot.locator(".nsewdrag").first, (0.2, 0.2), (0.8, 0.5))
    wait_until(lambda: said.inner_text() != first)
    top, height = (page.get_by_role("spinbutton", name=name).last for name in ("Top", "Height"))
    assert 7 <= int(top.input_value()) <= 12
    assert 12 <= int(height.input_value()) <= 18

    # the other photograph
    choose(page, "Photograph", "five")
    page.get_by_role("img", name=re.compile("^5 faces")).wait_for()


def test_a_face_that_was_not_found_is_marked_by_dragging(server, page):
    page.goto(server.page("upload"))
    page.get_by_role("radio", name="A fallen portrait").or_(page.get_by_text("A fallen portrait")).first.click()
    page.get_by_text("No face was found").wait_for()
    settled(page)
    photograph = page.get_by_role("figure", name="The photograph, to drag a rectangle in")
    drag(page, photograph.locator(".nsewdrag").first, (0.3, 0.2), (0.7, 0.8))
    page.get_by_text("It was marked by hand").wait_for()
    page.get_by_role("img", name=re.compile("^1 face")).wait_for()


@pytest.mark.real_data
def test_faces_of_people_are_found(server, page):
    files = sorted(REAL.glob("*.jpg"))[:2]
    if len(files) < 2:
        pytest.skip("the photographs are not here")
    open_with(server, page, files)
    page.get_by_role("img", name=re.compile(r"^\d faces?: 1 ")).wait_for()


def choose(page, name, typed):
    """By keyboard: the option that begins with what is typed, or holds it."""
    page.get_by_role("combobox", name=name).click()
    page.keyboard.type(typed)
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    settled(page)


def drag(page, place, start, end):
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    points = [np.array([box["x"], box["y"]]) + np.array(p) * [box["width"], box["height"]] for p in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*(points[0] + points[1]) / 2, steps=4)
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()
