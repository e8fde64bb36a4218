"""A folder of three own classes, from the folder to the model that names them on the Upload page."""

import numpy as np
import pytest
from PIL import Image

from fer_core.data.synthetic.drawing import draw_face
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import serve
from tests.browser.conftest import FEW_FACES, settled, stop_trainings, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLASSES = {"<b>grin": "happy", ":red[gasp]": "surprise", "scowl": "angry"}
"""Names as strangers choose them, and what the faces are drawn as."""


@pytest.fixture(scope="module")
def own(browser, tmp_path_factory):
    """The app beside a folder of few faces that no network can mistake."""
    home = tmp_path_factory.mktemp("own")
    write_json(home / "workspace" / "app.json", {"data": FEW_FACES})
    rng = np.random.default_rng(0)
    for name, emotion in CLASSES.items():
        for split, count in (("train", 24), ("test", 8)):
            folder = home / "mine" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(draw_face(emotion, rng)).save(folder / f"{i}.png")
    with serve(home / "workspace") as running:
        try:
            yield running
        finally:
            stop_trainings(Workspace(running.home))


def test_a_folder_of_own_classes_is_loaded_trained_evaluated_and_named(own, page):
    names = list(CLASSES)
    page.goto(own.page("data"))
    settled(page)
    page.get_by_role("radio", name="On this machine").click()
    page.get_by_role("textbox", name="Path").fill(str(own.home.parent / "mine"))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Use this data").click()
    page.locator(".stMarkdownBadge", has_text="In use").wait_for()
    page.get_by_text("No validation split.").wait_for()

    page.goto(own.page("train"))
    settled(page)
    page.get_by_text("For your own classes: the shipped compact network").wait_for()  # few faces take this preset
    page.get_by_role("spinbutton", name="Frozen epochs").fill("1")
    page.get_by_role("spinbutton", name="Epochs", exact=True).fill("2")
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_role("button", name="Start training").click()
    page.locator(".stMarkdownBadge", has_text="Finished").wait_for(timeout=180_000)
    (run,) = list_runs(Workspace(own.home))

    write_json(own.home / "app.json", {"data": str(own.home.parent / "mine"), "model": run.id})
    page.goto(own.page("evaluate"))
    settled(page)
    matrix = page.locator("[data-testid=stPlotlyChart]").first
    wait_until(lambda: matrix.locator(".scatterlayer .point").count() == 9)
    ticks = matrix.locator(".xaxislayer-above .xtick text, .xtick text").all_text_contents()
    assert set(names) <= {tick.strip() for tick in ticks}

    page.goto(own.page("upload"))
    settled(page)
    bars = page.locator("[data-testid=stPlotlyChart]").first.locator(".ytick text").all_text_contents()
    assert {bar.strip() for bar in bars} == set(names)
    found = page.locator("img[alt*='faces: 1 ']").first.get_attribute("alt")
    assert all(any(name in face for name in [*names, "not sure"]) for face in found.split(": ", 1)[1].split(", "))
