"""Classes on the Data page: read, merged, dropped, moved, undone; and what other pages make of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fer_core.data.reading
from fer_core.config import TrainConfig
from fer_core.data.class_map import SavedClassMap
from fer_core.training import background
from fer_core.workspace import Workspace, write_json
from pages.ui.shell import cache, session
from tests.factories import make_dataset, untrained_checkpoint
from tests.pages.conftest import FERPLUS_COLUMNS, check, words
from tests.run_factory import make_run


def button(app, label):
    return next(button for button in app.button if button.label == label)


def merge_box(app):
    return next(box for box in app.multiselect if box.label == "Classes to merge or rename")


def arranged(app) -> list[tuple[str, str, int]]:
    """Original class, new class, faces in the new class."""
    table = next(frame.value for frame in app.dataframe if "New class" in frame.value)
    columns = (table["Original class"], table["New class"], table["Faces in new class"])
    return [(str(a), str(b), int(n)) for a, b, n in zip(*columns, strict=True)]


def merge(app, name, *classes):
    merge_box(app).set_value(list(classes)).run()
    next(box for box in app.text_input if box.label == "New name").input(name)
    button(app, "Merge" if len(classes) > 1 else "Rename").click().run()
    return app


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def test_classes_are_merged_renamed_dropped_moved_and_every_step_is_undone(open_page):
    app = open_page("data")
    assert len(arranged(app)) == 7
    merge(app, "negative", "angry", "disgust", "fear", "sad")
    check(app)
    assert metric(app, "Classes") == "4"
    assert ("fear", "negative", 160) in arranged(app)
    merge(app, "smiling", "happy")
    check(app)
    next(box for box in app.multiselect if box.label == "Classes to drop").set_value(["surprise"]).run()
    assert any("Result: 3 classes with 240 of 280 faces" in text.value for text in app.caption)
    button(app, "Drop").click().run()
    check(app)
    assert metric(app, "Faces") == "240"
    assert ("surprise", "dropped", 0) in arranged(app)
    next(box for box in app.selectbox if box.label == "Class to move").set_value("neutral").run()
    button(app, "Up").click().run()
    check(app)
    assert list(dict.fromkeys(target for _, target, _ in arranged(app))) == [
        "negative",
        "neutral",
        "smiling",
        "dropped",
    ]
    assert "Classes: negative = angry, disgust, fear, sad; neutral; smiling = happy." in words(app)
    for classes in ("3", "4", "4", "7"):
        button(app, "Undo").click().run()
        check(app)
        assert metric(app, "Classes") == classes
    assert button(app, "Undo").disabled


@pytest.mark.parametrize(
    ("name", "chosen", "complaint"),
    [
        ("", ["angry", "sad"], "Enter a name"),
        ("happy", ["angry", "sad"], "A class 'happy' already exists"),
        ("all", ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"], "Only one class"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_changes(open_page, name, chosen, complaint):
    app = merge(open_page("data"), name, *chosen)
    check(app, errors=1)
    assert complaint in app.error[0].value
    assert metric(app, "Classes") == "7"


@pytest.mark.slow
def test_the_map_holds_on_every_page_for_the_next_window_and_for_a_training(open_page, monkeypatch):
    started: list[TrainConfig] = []
    monkeypatch.setattr(
        background, "start", lambda config, *_, **__: started.append(config) or make_run("new", epochs=0)
    )
    untrained_checkpoint(make_run("mine", epochs=2, weights=True).path / "best.safetensors")
    merge(open_page("data"), "negative", "angry", "disgust", "fear", "sad")
    for page in ("evaluate", "audit"):
        assert "Classes: negative = angry, disgust, fear, sad; happy" in words(open_page(page)), page
    app = open_page("train")
    assert "Classes: negative = angry" in words(app)
    button(app, "Start training").click().run()
    assert [mapped.name for mapped in started[0].class_map] == ["negative", "happy", "surprise", "neutral"]


def test_a_damaged_map_is_an_error_in_words_and_not_a_traceback(open_page):
    app = open_page("data")
    path = SavedClassMap.of(make_dataset(name="synthetic"), Workspace.default()).path
    path.parent.mkdir(parents=True)
    path.write_text("{")
    app.run()
    check(app, errors=1)
    assert "damaged" in app.error[0].value


# --- reading


def folder(root: Path, names: tuple[str, ...]) -> str:
    dataset = make_dataset(train=12, valid=6, test=6, classes=names)
    for i in range(len(dataset)):
        place = root / str(dataset.split[i]) / dataset.label_name(i)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.images[i]).save(place / f"{i}.png")
    return str(root)


@pytest.mark.slow
def test_folders_are_read_as_emotions_or_by_their_own_names_and_the_choice_is_remembered(open_page, tmp_path):
    source = folder(tmp_path / "mine", ("joy", "anger"))
    write_json(Workspace.default().app_state, {"data": source})
    app = open_page("data")
    assert {row[0] for row in arranged(app)} == {"happy", "angry"}
    app.segmented_control(key=f"read-classes-{source}").set_value("folders").run()
    check(app)
    assert {row[0] for row in arranged(app)} == {"joy", "anger"}
    assert {row[0] for row in arranged(open_page("data"))} == {"joy", "anger"}, "another window"


def test_folders_of_one_emotion_can_be_read_by_name_where_reading_them_as_one_is_refused(open_page, tmp_path):
    source = folder(tmp_path / "mine", ("joy", "happy", "sad"))
    write_json(Workspace.default().app_state, {"data": source})
    app = open_page("data", errors=1)
    assert "both mean happy" in app.error[0].value
    app.segmented_control(key=f"read-classes-{source}").set_value("folders").run()
    check(app)
    merge(app, "happy", "happy", "joy")
    check(app)
    assert metric(app, "Classes") == "2"


@pytest.mark.slow
def test_labels_come_from_votes_where_there_are_some(open_page, monkeypatch, tmp_path):
    votes = np.zeros((280, 10), np.int64)
    votes[:, 1] = 10  # everybody says happiness
    votes[:40, 1], votes[:40, 3] = 0, 10
    data = replace(make_dataset(), votes=votes, vote_columns=FERPLUS_COLUMNS)

    def load(source, *, truth="labels", **_):
        from fer_core.data.votes import label_by_votes

        return label_by_votes(data) if truth == "votes" else data

    monkeypatch.setattr(fer_core.data.reading, "load", load)
    cache._datasets.clear()
    source = str(tmp_path)
    write_json(Workspace.default().app_state, {"data": source})
    app = open_page("data")
    app.segmented_control(key=f"read-truth-{source}").set_value("votes").run()
    check(app)
    assert metric(app, "Classes") == "8"
    assert "Labels: majority votes." in words(app)
    assert "Labels: majority votes." in words(open_page("audit"))


@pytest.mark.slow
def test_persons_and_a_missing_validation_split_are_told(open_page, monkeypatch):
    persons = np.array([f"person {i % 5}" for i in range(140)])
    monkeypatch.setattr(
        fer_core.data.reading, "load", lambda source, **_: replace(make_dataset(valid=0, test=0), groups=persons)
    )
    cache._datasets.clear()
    app = open_page("data")
    assert metric(app, "Persons") == "5"
    assert "holds out a share of the training faces, keeping each person on one side" in words(app)
    assert "validate" in words(open_page("train"))


def test_choices_that_another_version_wrote_are_passed_over(open_page):
    write_json(Workspace.default().app_state, {"readings": {session.BUILT_IN: {"classes": "by mood"}}})
    assert metric(open_page("data"), "Classes") == "7"


# --- a model meets other data


def test_classes_that_the_data_lack_count_or_are_masked(open_page, monkeypatch):
    data = make_dataset(classes=("happy", "sad", "grumpy"))
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: data)
    cache._datasets.clear()
    run = make_run("seven", epochs=1, weights=True)
    untrained_checkpoint(run.path / "best.safetensors")
    write_json(Workspace.default().app_state, {"model": run.id})
    app = open_page("evaluate")
    assert "lacks are excluded: 24 grumpy" in words(app)
    assert len(app.selectbox(key="cell-predicted").options) == 7
    app.segmented_control(key="evaluate-extra").set_value("mask").run()
    check(app)
    assert app.selectbox(key="cell-predicted").options == ["happy", "sad"]
    assert "masked: angry, disgust" in words(app)
