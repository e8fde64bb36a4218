import pytest
from filelock import FileLock

import fer_core.data.reading
from fer_core.config import TrainConfig
from fer_core.errors import BusyError
from fer_core.presets import PRESETS, make_train_config
from fer_core.training import background
from fer_core.training.runs import OutputRecord, list_runs
from fer_core.workspace import Workspace
from pages.ui.shell import cache
from pages.ui.shell.runs import summary
from pages.ui.train.form import DRAWN_BY_HAND, GROUPS, remaining_fields
from tests.factories import make_dataset, untrained_checkpoint, with_votes
from tests.pages.conftest import check, words
from tests.run_factory import append_epoch, make_record, make_run, write_status


@pytest.fixture
def started(monkeypatch):
    """Trainings that would have been started: (settings, name)."""
    calls: list[tuple[TrainConfig, str | None]] = []

    def start(config, name=None, workspace=None, processes=1):
        calls.append((config, name) if processes == 1 else (config, name, processes))
        return make_run(name or "unnamed", epochs=0, planned=config.epochs, state="starting")

    monkeypatch.setattr(background, "start", start)
    return calls


def button(app, label):
    return next(button for button in app.button if button.label == label)


def field(app, label):
    widgets = [*app.number_input, *app.selectbox, *app.text_input, *app.toggle]
    return next(widget for widget in widgets if widget.label == label)


def charts(app):
    return [part.proto.json for part in app.get("bidi_component") if "live_chart" in part.proto.component_name]


def test_every_setting_has_a_widget(open_page):
    app = open_page("train")
    labels = {widget.label.lower() for widget in [*app.number_input, *app.selectbox, *app.text_input, *app.toggle]}
    elsewhere = (
        "holdout_share",
        "freeze_epochs",
        "skip_unreadable",
        "classes",
        "crop",
        "truth",
        "votes",
        "class_map",
    )  # shown on other choices
    fields = {name: info for name, info in TrainConfig.model_fields.items() if name not in elsewhere}
    for name in ("augment", "preprocess"):
        fields |= TrainConfig.model_fields[name].annotation.model_fields
        del fields[name]
    missing = {name for name, info in fields.items() if (info.title or name).lower() not in labels}
    assert missing == set()


def test_groups_name_only_fields_that_exist():
    named = [name for group in GROUPS.values() for name in group] + list(DRAWN_BY_HAND) + remaining_fields()
    assert sorted(named) == sorted(TrainConfig.model_fields)


def test_the_defaults_start_with_one_click(open_page, started):
    app = open_page("train")
    assert "No training yet" in words(app)
    button(app, "Start training").click().run()
    check(app)
    assert started == [(make_train_config(train_faces=140), None)]


def test_processes_are_offered_where_there_are_several_gpus(open_page, started, monkeypatch):
    monkeypatch.setattr(background, "gpus", lambda: 4)
    app = open_page("train")
    assert field(app, "Processes").max == 4
    field(app, "Processes").set_value(3).run()
    button(app, "Start training").click().run()
    check(app)
    assert started == [(make_train_config(train_faces=140), None, 3)]
    field(app, "Device").select("cpu").run()
    assert "Processes" not in [widget.label for widget in app.number_input]


def test_one_gpu_or_none_offers_no_processes(open_page, monkeypatch):
    monkeypatch.setattr(background, "gpus", lambda: 1)
    assert "Processes" not in [widget.label for widget in open_page("train").number_input]


def test_a_run_shows_how_many_processes_share_it(open_page):
    run = make_run("shared")
    (run.path / "environment.json").write_text('{"processes": 2}')
    assert "2 processes share each batch of up to 128 faces." in words(open_page("train"))


def test_few_faces_take_their_own_preset_and_many_the_standard_one(open_page, started, monkeypatch):
    app = open_page("train")
    assert (field(app, "Preset").value, field(app, "Initialize from").value) == ("own-faces", "compact")
    field(app, "Preset").set_value("standard").run()
    assert (field(app, "Initialize from").value, field(app, "Epochs").value) == ("", TrainConfig().epochs)
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: make_dataset(train=2600))
    cache._datasets.clear()
    app = open_page("train")
    button(app, "Start training").click().run()
    check(app)
    assert started == [(TrainConfig(), None)]


def test_changed_settings_reach_the_training(open_page, started):
    app = open_page("train")
    field(app, "Epochs").set_value(3)
    field(app, "Batch size").set_value(32)
    field(app, "Optimizer").set_value("sgd")
    field(app, "Flip").set_value(False)
    field(app, "Model arguments").input('{"dropout": 0.3}')
    field(app, "Name of the run").input(" my run ")
    app.run()
    button(app, "Start training").click().run()
    check(app)
    config, name = started[0]
    assert name == "my run"
    assert (config.epochs, config.batch_size, config.optimizer) == (3, 32, "sgd")
    assert config.augment.flip is False
    assert config.augment.shift == TrainConfig().augment.shift
    assert config.model_args == {"dropout": 0.3}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_chosen(open_page, started, name):
    app = open_page("train")
    field(app, "Preset").set_value(name).run()
    button(app, "Start training").click().run()
    check(app)
    assert started[0][0].augment == make_train_config(name).augment


def test_labels_and_votes_are_trained_together_where_there_are_votes(open_page, started, monkeypatch):
    app = open_page("train")
    field(app, "Targets").set_value("both").run()
    button(app, "Start training").click().run()
    check(app, 1)
    assert not started
    assert "synthetic has no votes. For FER2013, put FER" in app.error[0].value
    field(app, "Preset").set_value("compact-gpu").run()
    assert field(app, "Targets").value == "both", "a preset leaves the targets"
    monkeypatch.setattr(cache, "dataset", lambda _: with_votes(make_dataset()))
    button(app, "Start training").click().run()
    check(app)
    assert started[0][0].targets == "both"


def test_a_model_with_two_outputs_can_be_chosen_by_either(open_page, workspace):
    run = make_run("two", epochs=1, weights=True)
    record = make_record(2).model_copy(
        update={"outputs": {name: OutputRecord(valid_loss=1, valid_accuracy=0.5) for name in ("votes", "labels")}}
    )
    append_epoch(run, record, 2)
    untrained_checkpoint(run.path / "best-labels.safetensors")
    app = open_page("train")
    check(app)
    assert {"random weights", "the weights of two", "the weights of two (labels)"} <= set(
        field(app, "Initialize from").options
    )
    assert summary(run).valid_text == "43.5%, mean of votes and labels", "without the interval of one of them"


def test_settings_survive_a_visit_to_another_page(open_page):
    app = open_page("train")
    field(app, "Epochs").set_value(5).run()
    app.switch_page("pages/data.py").run()
    app.switch_page("pages/train.py").run()
    assert field(app, "Epochs").value == 5


def test_reset_brings_the_presets_values_back(open_page):
    app = open_page("train")
    field(app, "Epochs").set_value(5)
    field(app, "Learning rate").set_value(0.5).run()
    button(app, "Reset to defaults").click().run()
    check(app)
    preset = make_train_config(train_faces=140)
    assert field(app, "Epochs").value == preset.epochs
    assert field(app, "Learning rate").value == preset.learning_rate


def test_the_leaky_protocol_is_flagged_and_takes_its_preset(open_page, started):
    app = open_page("train")
    field(app, "Protocol").set_value("leaky").run()
    check(app)
    assert any("Leaky on purpose" in warning.value for warning in app.warning)
    assert field(app, "Label smoothing").value == PRESETS["report"].values["label_smoothing"]
    assert field(app, "Flip").value is False
    button(app, "Start training").click().run()
    assert started[0][0] == TrainConfig.parse({"protocol": "leaky", **PRESETS["report"].values})


def test_settings_that_contradict_each_other_are_refused_before_anything_starts(open_page, started):
    app = open_page("train")
    field(app, "EMA decay").set_value(0.3).run()
    check(app, errors=1)
    assert "at least 0.5" in app.error[0].value
    assert button(app, "Start training").disabled
    assert list_runs(Workspace.default()) == []


@pytest.mark.parametrize(("text", "complaint"), [("dropout", "model\\_args"), ("[1]", "model\\_args")])
def test_model_arguments_that_are_no_object_are_refused(open_page, text, complaint):
    app = open_page("train")
    field(app, "Model arguments").input(text).run()
    check(app, errors=1)
    assert complaint in app.error[0].value


def test_a_second_training_is_refused_in_a_sentence_that_names_the_first(open_page):
    run = make_run("the first", epochs=1, planned=5, state="running")
    with FileLock(run.path / "run.lock"):
        app = open_page("train")
        button(app, "Start training").click().run()
        check(app, errors=1)
        assert "the first" in app.error[0].value
        with pytest.raises(BusyError):
            background.start(TrainConfig(), workspace=Workspace.default())
    assert len(list_runs(Workspace.default())) == 1


def test_a_running_training_shows_progress_speed_rate_curves_and_log(open_page):
    run = make_run("live", epochs=3, planned=8)
    write_status(
        run, "running", epoch=3, epochs=8, step=50, steps_per_epoch=100, images_per_second=912.4,
        seconds_left=130, learning_rate=2.5e-3, train_loss=1.1111,
    )  # fmt: skip
    with FileLock(run.path / "run.lock"):
        app = open_page("train")
        assert any(bar.text == "Epoch 4 of 8 · step 50 of 100 · 912 images/s · 2 min 10 s left" for bar in app.progress)
        values = {metric.label: metric.value for metric in app.metric}
        assert values["Learning rate"] == "2.50e-03"
        assert values["Current training loss"] == "1.1111"
        assert len(charts(app)) == 2
        assert "Epoch: 3, valid Loss:" in app.code[0].value
        before = charts(app)
        append_epoch(run, make_record(4), 8)
        app.run()
        check(app)
        assert charts(app) != before
        assert "Epoch: 4, train Loss:" in app.code[0].value


def test_stop_asks_the_trainer_and_says_so(open_page):
    run = make_run("live", epochs=1, planned=8, state="running")
    with FileLock(run.path / "run.lock"):
        app = open_page("train")
        button(app, "Stop").click().run()
        check(app)
        assert (run.path / "stop").exists()
        assert "Finishing the current step" in words(app)


@pytest.mark.parametrize(
    ("state", "error", "expected"),
    [
        ("stopped", None, "Stopped on request with 3 finished epochs"),
        ("failed", "The loss stopped being a finite number.", "The loss stopped being a finite number."),
        ("running", None, "Training stopped unexpectedly"),
    ],
)
def test_a_run_that_ended_early_is_explained_and_can_be_resumed(open_page, monkeypatch, state, error, expected):
    run = make_run("early", epochs=3, planned=8, state=state, error=error)
    resumed = []
    monkeypatch.setattr(background, "resume", lambda run, workspace=None: resumed.append(run.id) or run)
    app = open_page("train", errors=1 if state == "failed" else 0)
    assert expected in words(app)
    button(app, "Resume").click().run()
    assert resumed == [run.id]


def test_a_damaged_run_is_explained_and_can_only_be_deleted(open_page):
    run = make_run("damaged")
    (run.path / "config.json").write_text("{")
    app = open_page("train", errors=1)
    assert "damaged" in app.error[0].value
    labels = [button.label for button in app.button]
    assert "Resume" not in labels
    assert "Retrain from these weights" not in labels
    button(app, "Delete").click().run()
    button(app, "Delete permanently").click().run()
    check(app)
    assert list_runs(Workspace.default()) == []


def test_the_leaky_run_shows_the_honest_curve_and_why(open_page):
    make_run("leaky", epochs=5, protocol="leaky", weights=True)
    app = open_page("train")
    assert "Why two accuracies?" in words(app)
    assert all("leak-free" in chart for chart in charts(app))
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Leak-free accuracy"].endswith(")")


def test_selected_runs_are_laid_over_each_other(open_page):
    make_run("one", epochs=3)
    make_run("two", epochs=4)
    app = open_page("train")
    assert not app.get("plotly_chart")
    app.session_state["runs-table"] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    app.run()
    check(app)
    assert len(app.get("plotly_chart")) == 2
    assert "reaches the highest validation accuracy" in words(app)


def test_renaming_keeps_the_run_and_its_notes(open_page):
    run = make_run("old name")
    app = open_page("train")
    button(app, "Rename, notes").click().run()
    next(box for box in app.text_input if box.value == "old name").input("new name")
    app.text_area(key="rename-notes").input("seen: *nice*")
    button(app, "Save").click().run()
    check(app)
    assert (run.label.name, run.label.notes) == ("new name", "seen: *nice*")
    assert r"seen: \*nice\*" in words(app)


def test_an_empty_name_is_refused(open_page):
    run = make_run("old name")
    app = open_page("train")
    button(app, "Rename, notes").click().run()
    next(box for box in app.text_input if box.value == "old name").input("  ")
    button(app, "Save").click().run()
    check(app, errors=1)
    assert run.label.name == "old name"


def test_deleting_asks_first(open_page):
    run = make_run("precious", epochs=2)
    app = open_page("train")
    button(app, "Delete").click().run()
    assert "permanently deletes" in words(app)
    assert run.path.exists()
    button(app, "Cancel").click().run()
    check(app)
    assert run.path.exists()
    button(app, "Delete").click().run()
    button(app, "Delete permanently").click().run()
    check(app)
    assert not run.path.exists()
    assert "No training yet" in words(app)


def test_retraining_copies_the_settings_and_starts_from_the_weights(open_page, started):
    run = make_run("base", epochs=4, weights=True, batch_size=64, learning_rate=0.01)
    app = open_page("train")
    button(app, "Retrain from these weights").click().run()
    check(app)
    assert field(app, "Batch size").value == 64
    button(app, "Start training").click().run()
    config, _ = started[0]
    assert config.init_from == run.id
    assert (config.batch_size, config.learning_rate, config.epochs) == (64, 0.01, 4)


def test_the_form_follows_the_data_in_use(open_page, tmp_path, started):
    from tests.pages.conftest import image_folder

    folder = str(image_folder(tmp_path / "mine"))
    app = open_page("train")
    assert field(app, "Data").value == "synthetic"
    app.session_state["fer.data"] = folder
    app.run()
    check(app)
    assert field(app, "Data").value == folder


@pytest.mark.parametrize(("valid", "shown"), [(35, False), (0, True)])
def test_the_held_out_share_is_asked_for_where_it_counts(open_page, monkeypatch, valid, shown):
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: make_dataset(valid=valid))
    cache._datasets.clear()
    app = open_page("data")
    app.switch_page("pages/train.py").run()
    check(app)
    title = TrainConfig.model_fields["holdout_share"].title
    assert (title in [number.label for number in app.number_input]) is shown
