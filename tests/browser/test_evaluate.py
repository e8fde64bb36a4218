"""Walking into the confusion matrix in a real browser: a click on a cell, the faces behind it, marks and undo."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data import load
from fer_core.data.cleaning import Cleaning, deduplicated
from fer_core.data.marks import marks_for
from fer_core.evaluation.cache import cached_outputs, cached_predictions
from fer_core.evaluation.calibration import fit_temperature
from fer_core.evaluation.cells import cell_faces, cleaned_predictions, rank
from fer_core.evaluation.compare import compare
from fer_core.inference import read_info
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace, write_json
from tests.browser.app import serve
from tests.browser.buttons import listen
from tests.browser.conftest import FEW_FACES, downloaded, settled, stop_trainings, wait_until
from tests.factories import entries
from tests.paths import PROJECT_ROOT
from tests.run_factory import make_run

SEVEN = ClassList.fer2013()

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHIPPED_SEED = PROJECT_ROOT / "assets" / "models" / "seed.safetensors"


@pytest.fixture(scope="module")
def drawn(browser, tmp_path_factory):
    """The app on drawn faces with a run that has weights."""
    workspace = Workspace(tmp_path_factory.mktemp("evaluate"))
    run = make_run("trained", epochs=3, weights=True, workspace=workspace)
    write_json(workspace.app_state, {"data": FEW_FACES, "model": run.id})
    with serve(workspace.root) as server:
        yield server, workspace, FEW_FACES, run.id


@pytest.fixture(scope="module")
def real(browser, fer2013_zip, tmp_path_factory):
    """The app on FER2013 with a run that holds the shipped network's weights."""
    if not SHIPPED_SEED.is_file():
        pytest.skip("assets/models/seed.safetensors is not here")
    workspace = Workspace(tmp_path_factory.mktemp("evaluate-real"))
    run = make_run("trained", epochs=3, weights=True, workspace=workspace)
    write_json(workspace.app_state, {"data": str(fer2013_zip), "model": run.id})
    shutil.copy(SHIPPED_SEED, run.path / "best.safetensors")
    with serve(workspace.root) as server:
        yield server, workspace, str(fer2013_zip), run.id


@pytest.fixture
def retrainable(browser, fer2013_zip, tmp_path):
    """The app on FER2013 with all faces of PrivateTest and a few of the others, so that an epoch is quick; and a run that
    holds the shipped network's weights."""
    if not SHIPPED_SEED.is_file():
        pytest.skip("assets/models/seed.safetensors is not here")
    source = tmp_path / "few.zip"
    with zipfile.ZipFile(fer2013_zip) as whole, zipfile.ZipFile(source, "w") as few:
        of = {
            kind: [n for n in whole.namelist() if f"/{kind}_" in n]
            for kind in ("Training", "PublicTest", "PrivateTest")
        }
        for name in of["Training"][::16] + of["PublicTest"][::8] + of["PrivateTest"]:
            few.writestr(name, whole.read(name))
    workspace = Workspace(tmp_path / "retrain")
    run = make_run("trained", epochs=3, weights=True, workspace=workspace, data=str(source))
    shutil.copy(SHIPPED_SEED, run.path / "best.safetensors")
    write_json(workspace.app_state, {"data": str(source), "model": run.id})
    with serve(workspace.root) as server:
        yield server, workspace, str(source), run.id
        stop_trainings(workspace)


def click_cell(page, true: str, predicted: str) -> None:
    """Click into a cell of the matrix, away from its middle."""
    page.locator(".js-plotly-plot .heatmaplayer").first.wait_for()
    page.locator(".fer-gallery button[data-face]").first.wait_for()  # the wall of the first cell moves what is above it
    page.get_by_text("Click a cell to see its faces.").scroll_into_view_if_needed()
    place = """([t, p]) => {
      const chart = document.querySelector(".js-plotly-plot"), {xaxis, yaxis} = chart._fullLayout;
      const box = chart.getBoundingClientRect();
      return [box.left + xaxis._offset + xaxis.d2p(p) + 14,
              box.top + yaxis._offset + yaxis.d2p(t) + 11];
    }"""
    before, (x, y) = None, page.evaluate(place, [true, predicted])
    while before != (x, y):  # until nothing moves any more
        page.wait_for_timeout(700)
        before, (x, y) = (x, y), page.evaluate(place, [true, predicted])
    page.mouse.move(x - 4, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)


def choose_split(page, name: str) -> None:
    page.locator(".st-key-evaluate-split").get_by_role("combobox").click()
    page.get_by_role("option", name=name).click()
    settled(page)


def shown(page) -> list[int]:
    """Positions of the faces of the wall, in order."""
    found = page.locator(".fer-gallery button[data-face]").evaluate_all("all => all.map((e) => Number(e.dataset.face))")
    return [int(face) for face in found]


def walk_into(page, setup, true: str, predicted: str) -> tuple[list[int], object]:
    """Open the Evaluate page on the test split and click a cell; returns the faces it should show, and the data."""
    server, workspace, source, run = setup
    dataset = load(source, workspace=workspace)
    page.goto(server.page("evaluate"))
    page.get_by_role("heading", level=1).wait_for()
    settled(page)
    choose_split(page, "Test")
    test = dataset.indices("test")
    copies = len(test) - len(deduplicated(dataset, test))
    page.get_by_text(
        f"{len(test):,} faces, {copies:,} of them with a duplicate in another split"
    ).wait_for()  # no longer those of validation
    settled(page)
    predictions = cached_predictions(run, dataset, "test", workspace=workspace)
    cell = cell_faces(predictions, SEVEN.index(true), SEVEN.index(predicted))
    expected = dataset.indices("test")[rank(predictions, cell, "confidence")[0]]
    click_cell(page, true, predicted)
    faces = "faces" if len(cell) != 1 else "face"
    # in the heading; the mouse may still rest on the cell, whose note says the same
    page.locator("strong", has_text=f"{len(cell):,} {true} {faces} misclassified as {predicted}").wait_for()
    settled(page)
    page.locator(f".fer-gallery button[data-face='{expected[0]}']").wait_for()
    return expected.tolist(), dataset


def busiest_wrong_cell(setup) -> tuple[str, str]:
    """An error of the untrained network on the drawn faces with at least three faces."""
    _, workspace, source, run = setup
    predictions = cached_predictions(run, load(source, workspace=workspace), "test", workspace=workspace)
    cells = [(len(cell_faces(predictions, t, p)), t, p) for t in range(7) for p in range(7) if t != p]
    count, true, predicted = max(cells)
    assert count >= 3
    return SEVEN[true], SEVEN[predicted]


def mark_three_and_undo(page, workspace: Workspace, dataset, faces: list[int]) -> None:
    marks = marks_for(dataset, workspace)
    for place in range(3):
        page.locator(".fer-gallery input[type=checkbox]").nth(place).check()
    page.get_by_text("3 faces selected.").wait_for()
    page.get_by_role("button", name="Ambiguous").click()
    page.get_by_text("marked ambiguous").nth(2).wait_for()
    assert set(marks.current()) == {str(dataset.ids[i]) for i in faces[:3]}
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("marked ambiguous").first.wait_for(state="detached")
    assert marks.current() == {}


def test_a_click_on_a_cell_shows_its_faces_and_three_of_them_are_marked_and_unmarked(drawn, page):
    true, predicted = busiest_wrong_cell(drawn)
    expected, dataset = walk_into(page, drawn, true, predicted)
    wait_until(lambda: shown(page) == expected[:48], seconds=30)  # the old wall goes when the new one has come
    mark_three_and_undo(page, drawn[1], dataset, expected)
    page.locator(".fer-gallery button[data-face]").nth(1).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(str(dataset.ids[expected[1]])).wait_for()
    dialog.get_by_text("Most similar training faces").wait_for()
    dialog.get_by_text("Grad-CAM").click()
    dialog.get_by_text("Bright regions support").or_(dialog.get_by_text("there is no map")).first.wait_for()


def test_among_many_training_faces_the_most_similar_are_looked_for_when_asked(browser, page, tmp_path):
    if not SHIPPED_SEED.is_file():
        pytest.skip("assets/models/seed.safetensors is not here")
    workspace = Workspace(tmp_path / "many")
    write_json(workspace.app_state, {"data": "synthetic:9100", "model": "seed"})
    with serve(workspace.root) as server:
        page.goto(server.page("evaluate"))
        page.locator(".fer-gallery button[data-face]").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Find the most similar training faces").click()
        dialog.get_by_role("button", name=re.compile("^Open ")).nth(3).wait_for()
        page.goto("about:blank")
        assert not server.complaints()


def test_two_browsers_that_mark_at_once_both_keep_their_marks(drawn, browser, page, pressed):
    true, predicted = busiest_wrong_cell(drawn)
    expected, dataset = walk_into(page, drawn, true, predicted)
    window = browser.new_context(viewport={"width": 1440, "height": 900})
    listen(window, pressed)
    other = window.new_page()
    walk_into(other, drawn, true, predicted)
    for place, tab in enumerate((page, other)):
        tab.locator(".fer-gallery input[type=checkbox]").nth(place).check()
        tab.get_by_text("1 face selected.").wait_for()
    page.get_by_role("button", name="Ambiguous").click(no_wait_after=True)
    other.get_by_role("button", name="Not a face").click(no_wait_after=True)
    marks = marks_for(dataset, drawn[1])
    both = {str(dataset.ids[expected[0]]): "ambiguous", str(dataset.ids[expected[1]]): "not_a_face"}
    wait_until(lambda: {face: mark.kind for face, mark in marks.current().items()} == both)
    page.get_by_text("marked ambiguous").first.wait_for()
    page.get_by_role("button", name="Undo").click()  # takes back its own window's mark, not the other's
    wait_until(lambda: list(marks.current()) == [str(dataset.ids[expected[1]])])
    other.get_by_role("button", name="Undo").click()
    wait_until(lambda: not marks.current())
    window.close()


@pytest.mark.real_data
def test_the_cell_of_fear_taken_for_sad_shows_exactly_the_faces_the_predictions_say(real, page):
    expected, dataset = walk_into(page, real, "fear", "sad")
    assert len(expected) > 48
    wait_until(lambda: shown(page) == expected[:48], seconds=30)  # the old wall goes when the new one has come
    page.get_by_role("button", name="Next").click()
    page.get_by_text(f"49–{min(96, len(expected))} of {len(expected)}").wait_for()
    settled(page)
    wait_until(lambda: shown(page) == expected[48:96], seconds=30)
    page.get_by_role("button", name="Back").click()
    page.get_by_text(f"1–48 of {len(expected)}").wait_for()
    settled(page)
    mark_three_and_undo(page, real[1], dataset, expected)


def in_the_file(workspace: Workspace, dataset, run: str, true: str, predicted: str) -> list[int]:
    """Positions of a cell's faces, the most confident first, worked out from the kept outputs of the run's weights."""
    test, temperature = dataset.indices("test"), read_info(workspace.runs / run / "best.safetensors").temperature
    for file in entries(workspace, "predictions"):
        with np.load(file) as kept:
            if kept["ids"].tolist() != dataset.ids[test].tolist():
                continue
            scaled = kept["logits"].astype(np.float64) / temperature
        labels = dataset.labels[test]
        top = 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)
        cell = (labels == SEVEN.index(true)) & (scaled.argmax(axis=1) == SEVEN.index(predicted))
        return [int(test[i]) for i in sorted(np.flatnonzero(cell), key=lambda i: -top[i])]
    raise AssertionError("the page wrote no predictions file for the test split")


@pytest.mark.real_data
def test_marks_in_a_cell_a_retraining_with_them_and_what_they_changed(retrainable, page):
    _, workspace, _, begun_with = retrainable
    expected, dataset = walk_into(page, retrainable, "fear", "sad")
    assert expected == in_the_file(workspace, dataset, begun_with, "fear", "sad")
    wait_until(lambda: shown(page) == expected[:48], seconds=30)

    # three of them are put right
    page.get_by_role("combobox", name="Correct label").click()
    page.get_by_role("option", name="sad").click()
    settled(page)
    for place in range(3):
        page.locator(".fer-gallery input[type=checkbox]").nth(place).check()
    page.get_by_text("3 faces selected.").wait_for()
    page.get_by_role("button", name="Relabel as sad").click()
    page.get_by_text("marked sad").nth(2).wait_for()
    marks = marks_for(dataset, workspace).current()
    assert {face: mark.label for face, mark in marks.items()} == {str(dataset.ids[i]): "sad" for i in expected[:3]}

    # one epoch more, with the marks
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_role("heading", level=1, name="Train").wait_for()
    settled(page)
    page.get_by_role("button", name="Manage").click()
    page.get_by_role("button", name="Retrain from these weights").click()
    page.get_by_text("It initializes from the weights of trained.").wait_for()
    settled(page)
    page.get_by_role("spinbutton", name="Epochs", exact=True).fill("1")
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_text("More", exact=True).click()
    page.get_by_text("Use marks", exact=True).click()
    settled(page)
    page.get_by_role("textbox", name="Name of the run").fill("with marks")
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("Started with marks.").wait_for()
    run = next(run for run in list_runs(workspace) if run.label.name == "with marks")
    assert (run.config.use_marks, run.config.init_from, run.config.epochs) == (True, begun_with, 1)
    page.locator(".stMarkdownBadge", has_text="Finished").wait_for(timeout=600_000)
    settled(page)

    # what that did, on the same faces with the same marks
    page.get_by_role("button", name="Evaluate", exact=True).click()
    page.get_by_role("heading", level=1, name="Evaluate").wait_for()
    settled(page)
    choose_split(page, "Test")
    page.get_by_role("button", name="Options").click()
    page.get_by_text("Use my marks", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_text("marks used").wait_for()
    settled(page)
    page.get_by_role("radio", name="Compare").or_(page.get_by_text("Compare", exact=True)).first.click()
    cleaning = Cleaning(use_marks=True)
    before, after = (
        cleaned_predictions(cached_outputs(model, dataset, "test", workspace=workspace), dataset, "test", cleaning, workspace=workspace)
        for model in (begun_with, run.id)
    )  # fmt: skip
    found = compare(before.predictions, after.predictions)
    assert len(found.gained)
    assert len(found.lost)
    page.get_by_text(f"is correct on {len(found.lost):,} faces").wait_for()
    sentence = page.get_by_text("McNemar's exact test").inner_text()
    assert f" on {len(found.gained):,}. " in sentence
    assert ("is statistically significant" in sentence) == (found.test.p_value < 0.05)
    page.get_by_text(f"Now correct ({len(found.gained):,})").wait_for()
    gained = after.positions[found.gained]
    wait_until(lambda: shown(page) == gained[:48].tolist(), seconds=30)
    page.get_by_text(f"Now wrong ({len(found.lost):,})").click()
    lost = after.positions[found.lost]
    wait_until(lambda: shown(page) == lost[:48].tolist(), seconds=30)


def test_what_makes_a_model_careful_is_stored_with_it_and_the_counts_are_saved(drawn, page):
    server, workspace, source, run = drawn
    path = workspace.runs / run / "best.safetensors"
    page.goto(server.page("evaluate"))
    settled(page)
    name, table = downloaded(page, "Download counts (CSV)")
    predictions = cached_predictions(run, load(source, workspace=workspace), "valid", workspace=workspace)
    assert name == "confusion-valid.csv"
    assert sum(int(n) for row in table.decode().splitlines()[1:] for n in row.split(",")[1:8]) == len(predictions.ids)

    page.get_by_text("Calibration", exact=True).click()
    settled(page)
    before = read_info(path)
    page.locator(".st-key-store-temperature").get_by_role("button").click()
    page.get_by_text("the fitted one").wait_for()
    settled(page)
    page.get_by_role("slider", name="“Not sure” below").focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    page.locator(".st-key-store-abstain_below").get_by_role("button").click()
    wait_until(lambda: read_info(path).abstain_below == pytest.approx(before.abstain_below + 0.01))
    after = read_info(path)
    assert after.temperature == pytest.approx(fit_temperature(predictions.logits, predictions.labels))
    assert after.temperature != before.temperature
    settled(page)


def test_the_matrix_is_saved_as_a_picture_without_any_network(drawn, page, tmp_path):
    page.goto(drawn[0].page("evaluate"))
    page.locator(".js-plotly-plot .heatmaplayer").first.wait_for()
    settled(page)
    page.locator(".js-plotly-plot").first.hover()
    with page.expect_download() as started:
        page.locator(".modebar-btn[data-attr=toImage], [data-title*='Download plot']").first.click()
    path = Path(started.value.path())
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.stat().st_size > 5000
