"""Every page that shows classes, with 2, 3, 8 and 40 of them, and with names that Markdown would interpret."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fer_core.data.reading
from fer_core.data import FaceDataset
from fer_core.workspace import Workspace, write_json
from pages.ui.shell import cache
from pages.ui.shell.formatting import plain
from tests.factories import make_dataset, untrained_checkpoint
from tests.pages.conftest import check, words
from tests.run_factory import make_run

HOSTILE = ("<b>x</b>", "**x**", ":red[x]", "$x$", "`x`", "😀", "حزين", ":material/home:", "=1+1", "1. first")
SIZES = {
    "two": ("smile", "frown"),
    "three": ("open", "closed", "half"),
    "eight": ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"),
    "forty": tuple(f"class {i}" for i in range(40)),
    "hostile": HOSTILE,
}
VIEWS = {
    "evaluate": ("matrix", "certainty", "people", "compare", "marks"),
    "audit": ("leaks", "balance", "suspects", "marks", "clean"),
    "network": ("layers", "activations"),
}


@pytest.fixture(params=SIZES)
def names(request, monkeypatch) -> tuple[str, ...]:
    """Data and a model in use with these classes."""
    classes: tuple[str, ...] = SIZES[request.param]
    each = 3 * len(classes)
    data = make_dataset(train=2 * each, valid=each, test=each, classes=classes)

    def load(source: str, **options: object) -> FaceDataset:
        return data

    monkeypatch.setattr(fer_core.data.reading, "load", load)
    cache._datasets.clear()
    run = make_run("mine", epochs=2, weights=True)
    untrained_checkpoint(run.path / "best.safetensors", labels=classes)
    write_json(Workspace.default().app_state, {"model": run.id})
    return classes


@pytest.mark.parametrize("page", ["data", "train", "upload", "webcam", "overview", "derivations", "experiments"])
def test_a_page_opens(open_page, names, page):
    open_page(page)


@pytest.mark.parametrize("page", VIEWS)
def test_every_view_of_a_page_opens(open_page, names, page):
    app = open_page(page)
    for view in VIEWS[page]:
        app.segmented_control(key=f"{page}-view").set_value(view).run()
        check(app)


@pytest.mark.slow
def test_the_faces_of_any_cell_are_named_and_nothing_in_a_name_is_interpreted(open_page, names):
    app = open_page("evaluate")
    for cell in ((0, 0), (1, len(names) - 1)):
        app.selectbox(key="cell-true").set_value(cell[0]).run()
        app.selectbox(key="cell-predicted").set_value(cell[1]).run()
        check(app)
        true, predicted = (plain(names[i]) for i in cell)
        assert any(true in text and predicted in text for text in words(app).splitlines())


@pytest.mark.slow
def test_a_network_shows_its_own_numbers_on_a_formula(open_page, names):
    app = open_page("derivations")
    app.segmented_control(key="derive-topic").set_value("Softmax and loss").run()
    app.segmented_control(key="derive-source").set_value("network").run()
    check(app)
    assert list(app.dataframe[-1].value["Class"]) == list(names)[:12]


def test_the_game_steps_aside_where_there_is_too_little_to_ask_for(open_page, monkeypatch):
    run = make_run("mine", epochs=1, weights=True)
    untrained_checkpoint(run.path / "best.safetensors", labels=("neutral", "smile"))
    write_json(Workspace.default().app_state, {"model": run.id})
    app = open_page("webcam")
    app.segmented_control(key="live_view").set_value("mirror").run()
    check(app)
    assert "has only 'smile'" in words(app)
    assert not any(button.label == "Play" for button in app.button)


def test_people_who_voted_for_other_classes_than_ferplus_are_compared_too(open_page, monkeypatch):
    classes = ("open", "closed", "half")
    votes = np.tile(np.array([[3, 1, 1]]), (84, 1))
    data = replace(make_dataset(42, 21, 21, classes=classes), votes=votes, vote_columns=classes)
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: data)
    cache._datasets.clear()
    run = make_run("mine", epochs=1, weights=True)
    untrained_checkpoint(run.path / "best.safetensors", labels=classes)
    write_json(Workspace.default().app_state, {"model": run.id})
    app = open_page("evaluate")
    app.segmented_control(key="evaluate-view").set_value("people").run()
    check(app)
    values = {metric.label: metric.value for metric in app.metric}
    assert values["People agree with each other"] == "60.0%"
    assert "Unanimously not a face" not in values
