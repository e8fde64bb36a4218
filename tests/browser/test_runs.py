"""Runs looked after in a real browser: renamed, copied, kept, deleted, reported; settings put back."""

import re

import pytest

from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import serve
from tests.browser.conftest import FEW_FACES, downloaded, leaves, settled, stop_trainings, take_preset, wait_until
from tests.run_factory import make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def workspace_of_runs(tmp_path):
    """A workspace with two runs on few drawn faces."""
    workspace = Workspace(tmp_path / "runs")
    write_json(workspace.app_state, {"data": FEW_FACES})
    for _ in range(2):
        make_run("one of two", epochs=3, weights=True, workspace=workspace, data=FEW_FACES)
    return workspace


@pytest.fixture
def own(browser, workspace_of_runs):
    """A server on that workspace."""
    with serve(workspace_of_runs.root) as running:
        yield running
        stop_trainings(workspace_of_runs)


def manage(page, action: str) -> None:
    page.get_by_role("button", name="Manage").click()
    page.get_by_test_id("stPopoverBody").get_by_role("button", name=action).click()


def test_a_run_is_renamed_copied_kept_and_deleted(own, workspace_of_runs, page):
    page.goto(own.page("train"))
    settled(page)
    manage(page, "Rename, notes")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("the best so far")
    dialog.get_by_role("textbox", name="Notes").fill("Fear is hard.")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Save").click()
    dialog.wait_for(state="detached")
    labels = [run.label for run in list_runs(workspace_of_runs)]
    assert [(label.name, label.notes) for label in labels if label.name != "one of two"] == [
        ("the best so far", "Fear is hard.")
    ]
    settled(page)

    manage(page, "Copy settings")
    page.get_by_text("Copied the settings of the best so far into the form.").wait_for()
    settled(page)
    epochs = page.get_by_role("spinbutton", name="Epochs", exact=True)
    assert epochs.input_value() == "3"
    page.get_by_role("button", name="Reset to defaults").click()
    wait_until(lambda: epochs.input_value() != "3")
    settled(page)

    manage(page, "Delete")
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")
    assert len(list_runs(workspace_of_runs)) == 2
    settled(page)
    manage(page, "Delete")
    dialog.get_by_role("button", name="Delete permanently").click()
    page.get_by_text("Deleted the best so far.").wait_for()
    assert [run.label.name for run in list_runs(workspace_of_runs)] == ["one of two"]
    settled(page)
    assert not own.complaints()


def test_a_report_is_made_with_notes_and_opens_without_a_network(own, workspace_of_runs, context, page, tmp_path):
    page.goto(own.page("train"))
    settled(page)
    page.get_by_text("Lab report", exact=True).click()
    notes = page.get_by_role("textbox", name="Notes")
    notes.fill("Typed by the teacher.")
    page.keyboard.press("Tab")
    wait_until(lambda: any(run.label.notes == "Typed by the teacher." for run in list_runs(workspace_of_runs)))
    settled(page)
    assert notes.input_value() == "Typed by the teacher."
    page.get_by_role("button", name="Create the report").click()
    page.get_by_text(re.compile(r"^Created in \d+ s")).wait_for(timeout=600_000)
    name, html = downloaded(page, "Download report (HTML)")
    assert name == "report-one-of-two.html"
    path = tmp_path / name
    path.write_bytes(html)

    reader = context.new_page()
    asked: list[str] = []
    reader.on("request", lambda request: asked.append(request.url))
    reader.goto(path.as_uri())
    reader.get_by_text("Typed by the teacher.").wait_for()
    headings = " ".join(reader.locator("h2").all_inner_texts()).lower()
    for part in ("model", "training", "confusion", "saliency", "filters", "mathematics", "caveats", "environment"):
        assert part in headings, (part, headings)
    assert [url for url in asked if url != path.as_uri() and leaves(url)] == []
    pictures = reader.locator("img").evaluate_all("all => all.map((e) => e.naturalWidth)")
    assert len(pictures) > 7
    assert min(pictures) > 0
    assert not own.complaints()


def test_a_training_outlives_its_server_and_the_next_server_shows_and_stops_it(browser, workspace_of_runs, page):
    with serve(workspace_of_runs.root) as first:
        page.goto(first.page("train"))
        settled(page)
        take_preset(page, "Standard")  # an epoch of the small network takes a second
        page.get_by_role("spinbutton", name="Epochs", exact=True).fill("400")
        page.get_by_role("textbox", name="Name of the run").fill("over the restart")
        page.keyboard.press("Tab")
        settled(page)
        page.get_by_role("button", name="Start training").click()
        page.get_by_text("Started over the restart.").wait_for()
        run = next(run for run in list_runs(workspace_of_runs) if run.label.name == "over the restart")
        wait_until(lambda: bool(run.records()))
        page.goto("about:blank")  # else the page complains that its server is gone
    assert run.is_alive()
    before = len(run.records())
    wait_until(lambda: len(run.records()) > before)
    with serve(workspace_of_runs.root) as second:
        page.goto(second.page("train"))
        page.locator(".stMarkdownBadge", has_text="Training").wait_for()
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_text("Stopped on request").wait_for()
        assert run.state == "stopped"
        assert [record.epoch for record in run.records()] == list(range(1, len(run.records()) + 1))
        assert not second.complaints()
        page.goto("about:blank")
