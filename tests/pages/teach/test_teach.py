"""The Teach page without a camera: names, takes, training by itself, figures, and what may go wrong."""

from __future__ import annotations

import io
import shutil
import zipfile

import numpy as np
import pytest

from fer_core.errors import TrainingError, WorkspaceError
from fer_core.inference import Classifier
from fer_core.live import RecordedTake
from fer_core.teach import TakeStore, export_zip, list_stores, load_taught, teach
from fer_core.workspace import Workspace
from pages.ui.shell import cache
from pages.ui.teach.state import FIRST_NAME, TeachState
from tests.pages.conftest import check, state_in, wait_for_work, words
from tests.run_factory import make_run
from tests.teach_factory import draw_take, fill

LIVE_VIEW, TAKES_VIEW = "live", "takes"


def buttons(app) -> dict[str, object]:
    return {button.label: button for button in app.button}


def recorded(app, name: str, emotion: str = "happy", take: int = 0, note: str = "") -> None:
    """The end of a take in a window, as the media thread leaves it."""
    faces = draw_take(emotion, take, 8)
    state_in(app, TeachState).recorder._finished.append(RecordedTake(name, faces, {"no face": 2}, note))


def taught_page(open_page, **options):
    """The page with a set of takes, after the training that it starts by itself."""
    fill(Workspace.default(), **{"frames": 6, **options})
    app = open_page("teach")
    wait_for_work(app, "teach-training", 120)
    app.run()
    check(app)
    return app


def test_an_empty_workspace_is_offered_three_classes_and_nothing_is_kept_before_the_first_take(open_page):
    app = open_page("teach")
    assert {"Record smile", "Record surprise", "Record neutral", "Add a class"} <= set(buttons(app))
    assert "nothing is kept before the first *Record*" in words(app)
    assert "**neutral baseline**" in words(app)
    buttons(app)["Add a class"].click().run()
    assert "Record class 1" in buttons(app)
    app.text_input(key="teach-name-3-class 1").set_value("wink").run()
    assert "Record wink" in buttons(app)
    workspace = Workspace.default()
    assert not workspace.takes.exists()
    assert not workspace.taught.exists()


def test_without_a_camera_recording_says_what_to_do(open_page):
    app = open_page("teach")
    buttons(app)["Record smile"].click().run()
    check(app, errors=1)
    assert "The camera is off. Press START, then record a take." in app.error[0].value


@pytest.mark.slow
def test_two_to_eight_classes_with_names_of_their_own(open_page):
    app = open_page("teach")
    field = app.text_input(key="teach-name-1-surprise")
    field.set_value("Smile").run()
    check(app, errors=1)
    assert "Give each class its own name" in app.error[0].value
    assert app.text_input(key="teach-name-1-surprise").value == "surprise"
    for _ in range(5):
        buttons(app)["Add a class"].click().run()
    assert "Add a class" not in buttons(app)
    for _ in range(6):
        next(button for button in app.button if button.label == "Remove").click().run()
    assert "Remove" not in buttons(app)
    check(app)
    assert sum(button.label.startswith("Record ") for button in app.button) == 2
    recorded(app, "wink 7")  # a class that another window added
    app.run()
    next(button for button in app.button if button.key == "teach-remove-wink 7").click().run()
    assert "8 faces" not in buttons(app)
    buttons(app)["Undo"].click().run()
    assert {"Record wink 7", "8 faces"} <= set(buttons(app))


def test_a_finished_take_is_kept_and_the_page_says_what_the_next_would_bring(open_page):
    app = open_page("teach")
    recorded(app, "smile")
    app.run()
    assert "8 faces" in buttons(app)
    assert "1 of 3 takes. A second take allows a test on faces the model has not seen." in words(app)
    assert "2 pictures left out: no face." in words(app)
    assert "Training starts by itself as soon as **surprise** and **neutral** have a take." in words(app)
    (take,) = TakeStore(Workspace.default(), FIRST_NAME).takes()
    assert (take.class_name, take.faces, take.left_out) == ("smile", 8, {"no face": 2})
    buttons(app)["8 faces"].click().run()
    buttons(app)["Delete this take"].click().run()
    assert "0 of 3 takes" in words(app)
    assert "8 faces" not in buttons(app)
    buttons(app)["Undo"].click().run()
    assert "8 faces" in buttons(app)


def test_a_take_that_cannot_be_saved_stays_in_memory_and_can_be_saved_later(open_page, monkeypatch):
    app = open_page("teach")
    real = TakeStore.add

    def full(*_, **__):
        raise WorkspaceError("The take cannot be saved (No space left on device). Free some space.")

    monkeypatch.setattr(TakeStore, "add", full)
    recorded(app, "smile")
    app.run()
    app.run()
    assert "is not saved yet; it is in memory only" in words(app)
    monkeypatch.setattr(TakeStore, "add", real)
    buttons(app)["Save the take again"].click().run()
    check(app)
    assert "is not saved yet" not in words(app)
    assert "8 faces" in buttons(app)
    monkeypatch.setattr(TakeStore, "add", full)
    recorded(app, "smile")
    app.run()
    app.run()
    buttons(app)["Discard it"].click().run()
    assert "is not saved yet" not in words(app)


@pytest.mark.slow
def test_the_model_is_taught_by_itself_and_with_three_takes_of_each_class_the_page_turns_live(open_page):
    app = taught_page(open_page)
    assert app.segmented_control(key="teach-view").value == LIVE_VIEW
    live = state_in(app, TeachState).live
    assert live.takes is None
    assert tuple(live.classes()) == ("happy", "surprise", "neutral")
    metrics = {metric.label: metric.value for metric in app.metric}
    assert set(metrics) == {"Takes it has not seen", "Random frames"}
    assert "Random frames test on frames whose neighbors were trained on" in words(app)
    assert "bootstrap interval over 9 takes" in words(app)
    assert {"Snapshot", "Record", "Neutral baseline"} <= set(buttons(app))
    assert "Press START to see your own classes live." in words(app)
    assert "Sensitivity" not in [slider.label for slider in app.slider]  # takes count alike: it would change nothing
    app.segmented_control(key="teach-view").set_value(TAKES_VIEW).run()
    assert "Record happy" in buttons(app)
    assert live.takes is state_in(app, TeachState).recorder
    before = load_taught("mine", Workspace.default())
    recorded(app, "happy", take=5)
    app.run()
    wait_for_work(app, "teach-training", 120)
    app.run()
    after = load_taught("mine", Workspace.default())
    assert before is not None
    assert after is not None
    assert after.takes == before.takes + 1
    assert app.segmented_control(key="teach-view").value == TAKES_VIEW  # it turns by itself only once


@pytest.mark.slow
def test_a_second_window_finds_the_model_and_does_not_train_again(open_page, monkeypatch):
    taught_page(open_page)
    monkeypatch.setattr("fer_core.teach.teach", lambda *_, **__: pytest.fail("it was taught again"))
    app = open_page("teach")
    assert app.segmented_control(key="teach-view").value == LIVE_VIEW
    assert {metric.label for metric in app.metric} == {"Takes it has not seen", "Random frames"}


def test_with_single_takes_the_page_says_what_cannot_be_tested_and_does_not_turn_live(open_page):
    app = taught_page(open_page, takes=1)
    assert app.segmented_control(key="teach-view").value == TAKES_VIEW
    assert {metric.label: metric.value for metric in app.metric}["Takes it has not seen"] == "—"
    assert "'happy' has one take, so it cannot be tested." in words(app).replace("\\", "")


@pytest.mark.slow
def test_a_take_copied_into_two_classes_is_shown(open_page):
    store = fill(Workspace.default(), takes=2, frames=6)
    store.add("surprise", store.faces(store.takes("happy")[0]))
    app = open_page("teach")
    wait_for_work(app, "teach-training", 120)
    app.run()
    assert "have takes with the same faces. Delete the one in the wrong class." in words(app)


@pytest.mark.slow
def test_a_training_that_fails_says_why_and_can_be_tried_again(open_page, monkeypatch):
    def fails(*_, **__):
        raise TrainingError("The logistic regression did not converge. Delete a take.")

    fill(Workspace.default(), takes=2, frames=6)
    with monkeypatch.context() as patch:
        patch.setattr("fer_core.teach.teach", fails)
        app = open_page()
        app.switch_page("pages/teach.py").run()
        wait_for_work(app, "teach-training", 60)
        app.run()
        check(app, errors=1)
        assert "did not converge" in app.error[0].value
    buttons(app)["Train again"].click().run()
    wait_for_work(app, "teach-training", 120)
    app.run()
    check(app)
    assert app.metric


@pytest.mark.slow
def test_a_base_network_that_was_deleted_is_said_calmly_and_the_model_goes_on(open_page):
    run = make_run("base", weights=True)
    fill(Workspace.default(), frames=6)
    app = open_page("teach")
    app.selectbox(key="model-in-use").select(run.id).run()
    wait_for_work(app, "teach-training", 120)
    app.run()
    check(app)
    found = load_taught("mine", Workspace.default())
    assert found is not None
    assert found.base == run.id
    shutil.rmtree(run.path)
    app.run()
    wait_for_work(app, "teach-training", 120)
    app.run()
    check(app)
    again = load_taught("mine", Workspace.default())
    assert again is not None
    assert again.base == "compact-people"  # the network that is in use then
    assert app.metric


@pytest.mark.slow
def test_the_taught_model_is_a_model_like_any_other_and_its_takes_are_data(open_page):
    app = taught_page(open_page)
    assert cache.models()["mine"] == "mine"
    faces = np.stack([draw_take("happy", 1, 1)[0], draw_take("neutral", 1, 1)[0]])
    expected = Classifier.load("mine", workspace=Workspace.default()).probabilities(faces)
    np.testing.assert_allclose(cache.classifier("mine").probabilities(faces), expected, atol=1e-6)
    for page in ("upload", "webcam"):
        app.switch_page(f"pages/{page}.py")
        app.query_params["model"] = "mine"
        app.run()
        check(app)
        assert app.selectbox(key="model-in-use").value == "mine"
        assert "model" not in app.query_params
        app.selectbox(key="model-in-use").select("compact").run()
    app.switch_page("pages/data.py")
    app.query_params["takes"] = "mine"
    app.query_params["model"] = "../../etc/passwd"
    app.run()
    check(app)
    assert app.selectbox(key="model-in-use").value == "compact"
    assert any("**mine**" in text.value for text in app.sidebar.markdown)
    # teaching goes on from the network the model was taught on, not from itself
    app.selectbox(key="model-in-use").select("mine").run()
    app.switch_page("pages/teach.py").run()
    check(app)
    found = load_taught("mine", Workspace.default())
    assert found is not None
    assert found.base == "compact-people"


def test_two_windows_teach_at_once(open_page):
    first, second = open_page("teach"), open_page("teach")
    recorded(first, "smile")
    recorded(second, "surprise", "surprise")
    first.run()
    second.run()
    first.run()
    assert sum(label == "8 faces" for label in [button.label for button in first.button]) == 2
    (one,) = TakeStore(Workspace.default(), FIRST_NAME).takes("smile")
    next(button for button in second.button if button.key == f"teach-open-{one.id}").click().run()
    TakeStore(Workspace.default(), FIRST_NAME).delete_take(one)  # in the first window, while the dialog is open
    buttons(second)["Delete this take"].click().run()
    assert not second.exception
    check(second, errors=1)
    assert "was deleted" in second.error[0].value


@pytest.mark.slow
def test_everything_is_deleted_after_a_question_and_the_page_says_what(open_page):
    app = taught_page(open_page)
    buttons(app)["Delete everything about me"].click().run()
    assert "It cannot be undone." in words(app)
    buttons(app)["Keep it"].click().run()
    assert Workspace.default().takes.exists()
    other = open_page("teach")
    buttons(app)["Delete everything about me"].click().run()
    buttons(app)["Delete it all"].click().run()
    check(app)
    workspace = Workspace.default()
    assert not workspace.takes.exists()
    assert not workspace.taught.exists()
    assert "Deleted 54 faces in 9 takes" in words(app)
    assert "mine" not in cache.models()
    assert {"Record smile", "Record surprise", "Record neutral"} <= set(buttons(app))
    other.run()  # the other window was live
    check(other)
    assert not other.metric


@pytest.mark.slow
def test_a_damaged_model_is_said_calmly_and_a_changed_take_teaches_a_new_one(open_page):
    app = taught_page(open_page, takes=2)
    model = Workspace.default().taught / "mine" / "model.safetensors"
    model.write_bytes(b"damaged")
    app.run()
    check(app, errors=1)
    assert "mine" in app.error[0].value
    assert "Record happy" in buttons(app)
    TakeStore(Workspace.default(), "mine").add("happy", draw_take("happy", 7, 6))
    app.run()
    wait_for_work(app, "teach-training", 120)
    app.run()
    check(app)


def test_an_imported_zip_is_another_set_and_one_of_a_stranger_is_refused(open_page):
    store = fill(Workspace.default(), takes=1, frames=4)
    content = export_zip(store)
    app = open_page("teach")
    app.file_uploader(key="teach-import-file").upload("mine.zip", content, "application/zip").run()
    buttons(app)["Import the takes"].click().run()
    check(app)
    assert set(list_stores(Workspace.default())) == {"mine", "mine 2"}
    assert state_in(app, TeachState).store.name == "mine 2"
    hostile = io.BytesIO()
    with zipfile.ZipFile(hostile, "w") as archive:
        archive.writestr("../../evil.png", b"x")
    app.file_uploader(key="teach-import-file").upload("../evil.zip", hostile.getvalue(), "application/zip").run()
    buttons(app)["Import the takes"].click().run()
    assert len(app.error) == 1
    assert set(list_stores(Workspace.default())) == {"mine", "mine 2"}
    assert not list(Workspace.default().root.rglob("evil*"))
    assert state_in(app, TeachState).store.name == "mine 2"


def test_a_training_that_ends_after_everything_was_deleted_keeps_no_model(open_page, monkeypatch):
    workspace = Workspace.default()
    fill(workspace, takes=1, frames=4)

    def teach_while_another_window_deletes(*arguments, **options):
        found = teach(*arguments, **options)
        shutil.rmtree(workspace.takes)
        return found

    monkeypatch.setattr("fer_core.teach.teach", teach_while_another_window_deletes)
    app = open_page("teach")
    wait_for_work(app, "teach-training", 120)
    app.run()
    check(app)
    assert not workspace.taught.exists() or not any(workspace.taught.iterdir())
    assert "0 of 3 takes" in words(app)
