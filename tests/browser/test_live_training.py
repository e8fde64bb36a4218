"""Training seen in a real browser."""

import re

import pytest
from filelock import FileLock

from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace
from tests.browser.conftest import chart_points, settled, take_preset, wait_until
from tests.run_factory import append_epoch, make_record, make_run, write_status

pytestmark = pytest.mark.browser


def test_curves_keep_their_node_and_the_zoom_while_epochs_come_in(server, page):
    run = make_run("growing", epochs=4, planned=12, workspace=Workspace(server.home))
    write_status(run, "running", epoch=4, epochs=12)
    with FileLock(run.path / "run.lock"):  # this test plays the trainer
        page.goto(server.page("train"))
        page.wait_for_function("document.querySelectorAll('.fer-live-chart .nsewdrag').length === 2")
        settled(page)
        assert chart_points(page, "loss") == 4
        page.evaluate("document.querySelectorAll('.fer-live-chart').forEach((node, i) => { node.marked = i + 1; })")
        zoom_in(page)
        zoomed = x_range(page)
        assert zoomed[1] - zoomed[0] < 8

        for epoch in (5, 6, 7):
            append_epoch(run, make_record(epoch), 12)
            page.wait_for_function(
                "n => [...document.querySelectorAll('.fer-live-chart')].every((c) => c.data[0].x.length === n)",
                arg=epoch,
            )
        marks = page.evaluate("[...document.querySelectorAll('.fer-live-chart')].map((node) => node.marked)")
        assert marks == [1, 2], "the charts were mounted anew"
        assert x_range(page) == pytest.approx(zoomed), "the zoom was lost"
        page.get_by_text("Epoch: 7, valid Loss").first.wait_for()
    write_status(run, "finished", epoch=7, epochs=12)
    page.locator(".stMarkdownBadge", has_text="Finished").wait_for()  # the page notices the end by itself


def zoom_in(page) -> None:
    """Drag over a part of the first chart, as a person does."""
    box = page.locator(".fer-live-chart .nsewdrag").first.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.1 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], y, steps=4)
    page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "(() => { const r = document.querySelector('.fer-live-chart').layout.xaxis.range; return r[1] - r[0] < 8; })()"
    )


def x_range(page) -> list[float]:
    """The x axis of the first chart."""
    return [float(end) for end in page.evaluate("document.querySelector('.fer-live-chart').layout.xaxis.range")]


def test_a_training_is_started_watched_left_stopped_and_resumed(server, context, page):
    workspace = Workspace(server.home)
    page.goto(server.page("train"))
    settled(page)
    take_preset(page, "Standard")  # an epoch of the small network takes a second
    page.get_by_role("spinbutton", name="Epochs", exact=True).fill("60")
    page.get_by_role("textbox", name="Name of the run").fill("from the browser")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Start training").click()

    # loss and accuracy move
    page.wait_for_function(POINTS, arg=1)
    page.get_by_text(re.compile(r"Epoch \d+ of 60 · step")).first.wait_for()
    page.wait_for_function(POINTS, arg=2)
    page.get_by_text(re.compile(r"Epoch: \d+, train Loss")).first.wait_for()
    run = next(run for run in list_runs(workspace) if run.label.name == "from the browser")

    # it goes on while nobody looks, and another window attaches to it
    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_role("heading", level=1, name="Data").wait_for()
    before = len(run.records())
    wait_until(lambda: len(run.records()) > before)
    page.get_by_role("link", name="Train", exact=True).click()
    page.wait_for_function(POINTS, arg=before + 1)

    # a second one is refused by the name of the first
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("'from the browser' is already training").wait_for()

    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("Stopped on request").wait_for()
    assert run.state == "stopped"
    kept = len(run.records())

    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(POINTS, arg=kept + 1)
    assert [record.epoch for record in run.records()] == list(range(1, len(run.records()) + 1))
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("Stopped on request").wait_for()


POINTS = """n => {
  const charts = [...document.querySelectorAll(".fer-live-chart")];
  return charts.length === 2 && charts.every((c) => c.data && c.data.length && c.data[0].x.length >= n);
}"""
