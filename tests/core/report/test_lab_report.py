from __future__ import annotations

import json
import re
import shlex
from functools import partial
from html.parser import HTMLParser

import pytest

from fer_core.cli import main, training
from fer_core.config import AugmentConfig, MappedClass, TrainConfig
from fer_core.errors import FerError, RunError
from fer_core.explanation import filters
from fer_core.explanation.filters import AscentSettings
from fer_core.presets import make_train_config
from fer_core.report import data as report_data
from fer_core.report.data import repeat_command
from fer_core.report.lab_report import make_report
from fer_core.training.runs import open_run, rename_run
from fer_core.training.trainer import load_training_data, train
from fer_core.workspace import Workspace
from tests.factories import make_dataset, tiny_config, untrained_checkpoint, with_votes
from tests.run_factory import make_run

PARTS = ["model", "training", "confusion", "saliency", "filters", "mathematics", "honesty", "environment"]
EVIL = '<script>alert("x")</script> & <img src=http://evil.example/x.png>'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Three steps instead of eighty."""
    monkeypatch.setattr(filters, "AscentSettings", partial(AscentSettings, steps=3))


@pytest.fixture
def dataset(monkeypatch):
    """280 small faces in place of whatever a run names, as long as the name is not ``gone.zip``."""
    small = make_dataset(name="tiny.zip")

    def loaded(config, **options):
        return small if config.data != "gone.zip" else load_training_data(config, **options)

    monkeypatch.setattr(report_data, "load_training_data", loaded)
    return small


class Trained:
    """The outcome of a training that was not run."""

    def to_dict(self):
        return {}


class Links(HTMLParser):
    """Every address a page would load or lead to, and every script and handler."""

    def __init__(self, html):
        super().__init__()
        self.found, self.tags, self.handlers = [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "poster", "data", "action", "xlink:href"):
                self.found.append(value)
            if name.startswith("on"):
                self.handlers.append(name)


def check_self_contained(html):
    links = Links(html)
    assert links.found
    assert all(address.startswith("data:image/png;base64,") for address in links.found)
    assert not links.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert not links.handlers
    assert not re.search(r"@import|url\(", html)
    assert "default-src 'none'" in html


def plain(html):
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)).split())


@pytest.fixture
def finished(dataset):
    """A real run of two epochs with everything a trainer leaves."""
    return train(tiny_config(evaluate_test=True), name="two epochs", dataset=dataset).run


def test_every_part_is_there_from_a_real_run(finished):
    rename_run(finished, "My run", "What I saw:\nfear < sad & more")
    seen = []
    made = make_report(finished, on_progress=lambda *a: seen.append(a), workspace=Workspace.default())
    assert [part.name for part in made.parts] == PARTS
    assert made.gaps == []
    check_self_contained(made.html)
    words = plain(made.html)
    assert made.accuracy is not None
    assert made.accuracy["split"] == "test"
    for expected in (
        "My run",
        "What I saw: fear &lt; sad &amp; more",
        "538,439 parameters",
        "⌊(48 + 2·2 − 5) / 1⌋ + 1 = 48",
        "Epoch: 2, valid Loss",
        f"n = {made.accuracy['n']}",
        "Fear is the easiest to confuse".replace("'", "&#x27;"),
        "Eyes and mouth receive",
        "128 filters of block4.0, none is dead.",
        "formulas pass",
        "3 of 8 fail the same check",
        "are exact duplicates of training or validation faces",
        "standard deviation",
        "python -m fer_core train --data synthetic --model seed --epochs 2 --protocol official",
        "--evaluate-test",
        "0 (0 follows the class frequencies of the training data, 1 treats all classes as equally likely)",
    ):
        assert expected in words, expected
    assert made.html.count("<svg") == 4
    assert made.html.count('class="case"') == 7
    assert made.html.count('class="filter"') == 6
    assert seen[0] == (0, 100)
    assert seen[-1] == (100, 100)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_leaky_run_is_shown_as_leaky_with_the_honest_figure_beside(dataset):
    run = train(tiny_config(protocol="leaky", epochs=2), name="leaky", dataset=dataset).run
    made = make_report(run, workspace=Workspace.default())
    assert made.accuracy is not None
    assert made.accuracy["split"] == "honest"
    assert made.leaky_accuracy is not None
    words = plain(made.html)
    assert "Read this first" in words
    assert "validation” accuracy, leaky" in words
    assert f"{100 * made.leaky_accuracy:.1f}% was measured on training faces" in words
    assert f"{100 * made.accuracy['accuracy']:.1f}% leak-free accuracy" in words
    assert "memorization, not generalization" in words


def test_a_run_on_data_without_validation_faces_says_how_it_validated(monkeypatch):
    small = make_dataset(valid=0, name="two splits.zip")
    monkeypatch.setattr(report_data, "load_training_data", lambda config, **options: small)
    run = train(tiny_config(epochs=1), name="held out", dataset=small).run
    words = plain(make_report(run, workspace=Workspace.default()).html)
    assert "official; the data set has no validation split, so 10% of its training faces are held out" in words
    assert "two splits.zip has no validation faces of its own, so 14 of the 140 training faces validate." in words


def test_names_and_notes_cannot_break_the_page(dataset):
    run = make_run("plain", epochs=1, weights=True)
    rename_run(run, EVIL[:80], EVIL)
    html = make_report(run, workspace=Workspace.default()).html
    check_self_contained(html)
    assert "&lt;script&gt;" in html


def test_a_run_without_evaluation_is_evaluated_for_the_report(dataset):
    run = make_run("stopped early", epochs=2, planned=9, state="stopped", weights=True)
    made = make_report(run, workspace=Workspace.default())
    assert made.gaps == []
    words = plain(made.html)
    assert "had no stored predictions; it was evaluated for this report" in words
    assert "was stopped after 2 of 9 epochs" in words
    assert not list(run.path.glob("predictions-*"))  # the trainer is the run's only writer


def test_a_run_still_training_before_its_first_epoch_says_so(dataset):
    from filelock import FileLock

    run = make_run("young", epochs=0, planned=4, state="running")
    with FileLock(run.path / "run.lock"):
        made = make_report(run, workspace=Workspace.default())
    assert {part.name for part in made.parts if part.gap} == {"training", "confusion", "saliency", "filters"}
    assert "still training" in plain(made.html)
    assert "first epoch is not finished" in str(made.parts[2].gap)
    assert "538,439" in made.parts[0].html
    check_self_contained(made.html + '<img src="data:image/png;base64,">')


def test_without_its_data_the_parts_that_need_faces_say_so(dataset):
    run = make_run("lonely", epochs=2, weights=True, data="gone.zip")
    made = make_report(run, workspace=Workspace.default())
    gaps = {part.name: str(part.gap) for part in made.parts if part.gap}
    assert set(gaps) == {"confusion", "saliency"}
    assert "gone.zip" in gaps["saliency"]
    assert "cannot be shown" in made.parts[4].html
    assert "could not be counted" in plain(made.parts[6].html)
    assert make_report(run, "tiny.zip", workspace=Workspace.default()).gaps == []


def test_other_faces_than_those_trained_on_are_refused(dataset):
    run = make_run("other data", epochs=1, weights=True)
    from fer_core.inference import update_info

    update_info(run.path / "best.safetensors", data_fingerprint="0" * 64)
    gaps = make_report(run, workspace=Workspace.default()).gaps
    assert any("is not the data set this run was trained on" in gap for gap in gaps)


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["votes", "both"])
def test_a_run_on_votes_is_judged_by_their_majority(targets, monkeypatch):
    voted = with_votes(make_dataset(), nobody=5)
    monkeypatch.setattr(report_data, "load_training_data", lambda *_, **__: voted)
    run = train(tiny_config(targets=targets, epochs=1, evaluate_test=True), dataset=voted).run
    made = make_report(run, workspace=Workspace.default())
    assert made.gaps == []
    assert "On 65 test faces the accuracy is" in plain(made.html)


def test_damaged_weights_cost_their_parts_only(dataset):
    run = make_run("damaged", epochs=2, weights=True)
    file = run.path / "best.safetensors"
    file.write_bytes(file.read_bytes()[:3000])
    made = make_report(run, workspace=Workspace.default())
    assert {part.name for part in made.parts if part.gap} == {"confusion", "saliency", "filters"}


@pytest.mark.slow
def test_a_network_with_other_layers_has_its_own_table_and_filters(dataset):
    run = make_run("compact", epochs=1, model="compact")
    untrained_checkpoint(run.path / "best.safetensors", "compact", seed=3)
    made = make_report(run, workspace=Workspace.default())
    assert made.gaps == []
    assert "stages.4.excite.up" in made.html
    assert "192 filters of stages.4.conv2" in plain(made.html)


def test_it_can_be_stopped(dataset):
    run = make_run("a", epochs=1, weights=True)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(FerError, match="stopped"):
        make_report(run, should_stop=stop, workspace=Workspace.default())


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(data="faces.zip", epochs=3, evaluate_test=True, drop_duplicates=True),
        make_train_config(protocol="leaky", data="a b.zip", learning_rate=1e-4),
        make_train_config("report", protocol="official", data="faces.zip", init_from="seed", seed=7),
        TrainConfig(data="synthetic:490", classes="folders", votes="votes.csv", truth="votes", class_weights="sqrt"),
        TrainConfig(
            data="faces.zip", class_map=(MappedClass(name="low", sources=("sad", "angry")),), skip_unreadable=True
        ),
        TrainConfig(data="synthetic:490", augment=AugmentConfig(flip=False, erasing=0.25), optimizer="sgd", threads=1),
    ],
)
def test_the_command_that_repeats_the_run_gives_the_same_settings(monkeypatch, config):
    given = []
    monkeypatch.setattr(training, "_train_with_progress", lambda config, *_: given.append(config) or Trained())
    monkeypatch.setattr(training, "emit", lambda *_: None)
    monkeypatch.setattr(training, "_train_summary", lambda result: "")
    command = shlex.split(repeat_command(config))
    assert command[:4] == ["python", "-m", "fer_core", "train"]
    assert main(command[3:]) == 0
    assert given == [config]


def test_only_the_name_of_the_data_stands_in_the_command():
    command = repeat_command(TrainConfig(data="/home/somebody/secret place/faces.zip"))
    assert "somebody" not in command
    assert "faces.zip" in command


def test_the_command_writes_the_file_and_one_document(finished, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", finished.id, "-o", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["output"] == str(out)
    assert record["bytes"] == out.stat().st_size
    assert [part["name"] for part in record["parts"]] == PARTS
    assert all(part["made"] for part in record["parts"])
    assert record["accuracy"]["n"] == 70


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nobody"], "There is no run 'nobody'"), (["nobody", "-o", "x.pdf"], "must end in .html")]
)
def test_bad_input_is_one_sentence_and_status_two(arguments, words, capsys):
    assert main(["report", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_damaged_run_is_refused(workspace):
    run = make_run("x", epochs=1)
    (run.path / "config.json").write_text("{")
    with pytest.raises(RunError):
        make_report(open_run(run.path, workspace), workspace=workspace)
