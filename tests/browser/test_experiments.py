"""An experiment in a real browser: predicted, cancelled, run, explained, kept, run again."""

import re

import pytest

from fer_core.lessons.experiments import find
from tests.browser.conftest import settled

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_an_experiment_is_predicted_run_explained_kept_and_run_again(server, page):
    experiment = find("shuffled")
    page.goto(server.page("experiments"))
    settled(page)
    page.get_by_text(experiment.title, exact=True).first.click()
    page.get_by_role("heading", name=experiment.title).wait_for()
    settled(page)
    assert page.get_by_role("button", name="Run the experiment").count() == 0
    page.get_by_text(experiment.choices[0], exact=True).click()
    page.get_by_role("button", name="Run the experiment").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Canceled.").wait_for()
    page.get_by_role("button", name="Run the experiment").click()
    verdict = page.get_by_text(re.compile("^(As you predicted|You predicted)"))
    verdict.wait_for(timeout=600_000)
    page.locator(".js-plotly-plot").nth(1).wait_for()
    page.get_by_text(f"fer-lab experiment {experiment.name}").wait_for()
    said = page.get_by_test_id("stMain").inner_text()
    assert said.count("%") >= 2  # the paragraph speaks in the run's own numbers

    page.reload()  # another visit finds the result
    settled(page)
    page.get_by_text(experiment.title, exact=True).first.click()
    page.get_by_text(experiment.choices[0], exact=True).click()
    verdict.wait_for()
    settled(page)
    page.get_by_role("button", name="Run it again").click()
    page.get_by_role("button", name="Run the experiment").wait_for()
