"""Derivations, in a real browser: several formulas, numbers of one's own, sizes that cannot be."""

import re

import pytest

from tests.browser.conftest import settled
from tests.browser.test_upload import choose

pytestmark = pytest.mark.browser


def topic(page, name: str) -> None:
    page.locator(".st-key-derive-topic").get_by_text(name, exact=True).click()
    settled(page)


def numbers(page, kind: str) -> None:
    page.locator(".st-key-derive-source").get_by_text(kind, exact=True).click()
    settled(page)


def type_over(page, name: str, value: str) -> None:
    page.get_by_role("spinbutton", name=name, exact=True).fill(value)
    page.keyboard.press("Tab")
    settled(page)


def verdict(page) -> str:
    """What the check says of our formula, with its errors."""
    box = page.locator("[data-testid=stAlertContentSuccess]").filter(has_text="The formula holds").first
    box.wait_for()
    return box.inner_text()


def test_formulas_hold_on_other_numbers_too_and_the_reports_does_not(server, page):
    page.goto(server.page("derivations"))
    settled(page)
    page.locator(".katex").first.wait_for()
    first = verdict(page)
    type_over(page, "Seed", "7")
    page.wait_for_function("(before) => !document.body.innerText.includes(before)", arg=first)
    assert "central differences" in verdict(page)
    page.get_by_text("The lab report's version is wrong").wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace").nth(1).wait_for()

    topic(page, "Softmax and loss")
    numbers(page, "My own numbers")
    before = page.locator("[data-testid=stDataFrame]").count()
    assert before
    choose(page, "True class", "surprise")
    assert "on these numbers" in verdict(page)

    topic(page, "Layers")
    assert "on these numbers" in verdict(page)


def test_sizes_of_ones_own_are_drawn_and_impossible_ones_answered_in_a_sentence(server, page):
    page.goto(server.page("derivations"))
    settled(page)
    topic(page, "Sizes")
    numbers(page, "My own numbers")
    page.get_by_text("12 positions per side").wait_for()
    verdict(page)
    page.locator(".js-plotly-plot").first.wait_for()

    type_over(page, "Stride", "2")
    page.get_by_text("6 positions per side").wait_for()
    verdict(page)
    type_over(page, "Kernel size", "40")
    page.get_by_text(re.compile("does not fit")).wait_for()
    type_over(page, "Kernel size", "3")
    type_over(page, "Stride", "0")
    page.get_by_text(re.compile("The stride must be at least 1 pixel")).wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
    type_over(page, "Stride", "1")
    page.get_by_text("12 positions per side").wait_for()
    verdict(page)
