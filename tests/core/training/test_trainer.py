from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from fer_core.classes import ClassList
from fer_core.cli import main
from fer_core.config import MappedClass, TrainConfig
from fer_core.data.class_map import apply_class_map, make_class_map
from fer_core.errors import BusyError, ConfigError, DataError, FerError, RunError, TrainingError
from fer_core.evaluation import Predictions
from fer_core.inference import Classifier, load_checkpoint, read_info
from fer_core.training import Hooks, background, list_runs, train
from fer_core.training.run_writer import RunWriter
from fer_core.training.runs import Status, create_run, open_run
from fer_core.training.trainer import _prepare
from fer_core.workspace import Workspace
from tests.factories import make_dataset, tiny_config, untrained_checkpoint
from tests.paths import PROJECT_ROOT


def final_weights(run) -> dict[str, torch.Tensor]:
    return torch.load(run.path / "last.ckpt", weights_only=True)["training"]["model"]


def same(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def stop_after(steps: int):
    seen = 0

    def stop() -> bool:
        nonlocal seen
        seen += 1
        return seen >= steps

    return stop


def test_a_training_leaves_everything_a_run_should_hold(workspace):
    result = train(tiny_config(), dataset=make_dataset(), name="whole")
    assert result.state == result.run.state == "finished"
    names = {p.name for p in result.run.path.iterdir()}
    assert names >= {
        "config.json", "environment.json", "status.json", "metrics.jsonl", "log.txt", "last.ckpt",
        "best.safetensors", "evaluation-valid.json", "predictions-valid.npz",
    }  # fmt: skip
    assert result.run.records() == result.records
    assert len(result.run.log_tail()) >= 4
    info = read_info(result.run.path / "best.safetensors")
    assert info.metrics["valid"]["accuracy"] == result.best.valid_accuracy
    assert info.data_fingerprint == make_dataset().fingerprint
    assert info.config["epochs"] == 2


def test_the_validation_figure_is_that_of_the_saved_weights(workspace):
    dataset = make_dataset()
    result = train(tiny_config(), dataset=dataset)
    faces = dataset.indices("valid")
    predicted = Classifier.load(result.run.id).logits(dataset.images[faces]).argmax(1)
    assert np.mean(predicted == dataset.labels[faces]) == result.best.valid_accuracy
    stored = Predictions.read(result.run.path / "predictions-valid.npz")
    assert np.mean(stored.predicted == stored.labels) == result.best.valid_accuracy


def test_the_test_split_is_read_only_when_asked_for(workspace):
    without = train(tiny_config(epochs=1), dataset=make_dataset())
    assert without.test is None
    assert not (without.run.path / "evaluation-test.json").exists()
    with_test = train(tiny_config(epochs=1, evaluate_test=True), dataset=make_dataset())
    assert with_test.test.n == 70
    assert with_test.to_dict()["test"]["accuracy"] == with_test.test.accuracy


@pytest.mark.parametrize("steps", [2, 4, 5])
def test_a_stopped_run_resumes_to_the_weights_of_one_that_never_stopped(steps, workspace):
    dataset, config = make_dataset(), tiny_config(epochs=2, ema_decay=0.9)
    whole = train(config, dataset=dataset)
    stopped = train(config, dataset=dataset, hooks=Hooks(should_stop=stop_after(steps)))
    assert stopped.state == stopped.run.state == "stopped"
    resumed = train(config, run=stopped.run, dataset=dataset)
    assert resumed.state == "finished"
    assert same(final_weights(whole.run), final_weights(resumed.run))
    assert [r.valid_loss for r in whole.records] == [r.valid_loss for r in resumed.run.records()]


def test_metrics_written_after_the_last_checkpoint_are_taken_back_on_resume(workspace):
    dataset, config = make_dataset(), tiny_config(epochs=3)
    stopped = train(config, dataset=dataset, hooks=Hooks(should_stop=stop_after(6)))
    with (stopped.run.path / "metrics.jsonl").open("a") as file:
        file.write(stopped.run.records()[0].model_copy(update={"epoch": 9}).model_dump_json() + "\n{half")
    train(config, run=stopped.run, dataset=dataset)
    assert [r.epoch for r in stopped.run.records()] == [1, 2, 3]


def test_a_loss_that_is_not_finite_fails_with_advice_and_keeps_the_last_good_weights(workspace, monkeypatch):
    from fer_core.training.loop import Training

    plain = Training.train_step

    def poisoned(self, batch, step, rate):
        loss, hits = plain(self, batch, step, rate)
        return (loss * float("nan"), hits) if step >= 5 else (loss, hits)

    monkeypatch.setattr(Training, "train_step", poisoned)
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        train(tiny_config(epochs=3), dataset=make_dataset())
    run = list_runs(workspace)[0]
    assert run.state == "failed"
    assert "learning rate" in run.status.error
    assert len(run.records()) == 1
    load_checkpoint(run.path / "best.safetensors")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": "vgg"}, FerError, "no architecture"),
        ({"model_args": {"depth": 3}}, FerError, "does not accept"),
        ({"model_args": {"classes": 5}}, ConfigError, "5 classes, but the data has 7"),
        ({"freeze_epochs": 1}, ConfigError, "freeze_epochs requires init_from"),
        ({"device": "cuda"}, ConfigError, "no GPU"),
        ({"init_from": "nothing"}, FerError, "no model"),
        ({"teachers": ("seed", "nothing")}, FerError, "no model 'nothing'"),
        ({"data": "missing-folder"}, DataError, "missing-folder"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(changes, error, words, workspace, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    dataset = None if "data" in changes else make_dataset()
    with pytest.raises(error, match=words):
        train(tiny_config(**changes), dataset=dataset)
    assert not workspace.runs.exists()


def test_a_second_training_is_refused_by_the_name_of_the_first(workspace):
    first = create_run(tiny_config(), "The first", workspace=workspace)
    with FileLock(first.path / "run.lock"):
        with pytest.raises(BusyError, match="The first"):
            train(tiny_config(), dataset=make_dataset())
        with pytest.raises(BusyError, match="The first"):
            background.start(tiny_config(), workspace=workspace)
    assert len(list_runs(workspace)) == 1


def test_a_class_map_that_changed_is_refused_and_nothing_of_the_training_is_touched(workspace):
    dataset, config = make_dataset(), tiny_config(epochs=3)
    stopped = train(config, dataset=dataset, hooks=Hooks(should_stop=stop_after(6)))
    kept = {name: (stopped.run.path / name).read_bytes() for name in ("last.ckpt", "metrics.jsonl", "best.safetensors")}
    merged = make_class_map(dataset.classes, merge=[("low", ["angry", "disgust"])])
    with pytest.raises(RunError, match=r"started with the classes angry, disgust.*settings now give low, fear"):
        train(config, run=stopped.run, dataset=apply_class_map(dataset, merged))
    assert kept == {name: (stopped.run.path / name).read_bytes() for name in kept}
    assert train(config, run=stopped.run, dataset=dataset).state == "finished"


def test_the_run_keeps_how_its_classes_were_made(workspace):
    dataset = make_dataset()
    merged = make_class_map(dataset.classes, merge=[("low", ["angry", "disgust"])], drop=["neutral"])
    result = train(tiny_config(epochs=1), dataset=apply_class_map(dataset, merged))
    assert result.run.config.class_map == merged
    assert result.to_dict()["classes"] == ["low", "fear", "happy", "sad", "surprise"]
    assert read_info(result.run.path / "best.safetensors").labels == result.classes


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_a_network_for_any_number_of_classes_trains_stops_and_resumes(count, workspace):
    names = tuple(f"class {i}" for i in range(count))
    dataset = make_dataset(train=80, valid=40, test=40, classes=names)
    config = tiny_config(batch_size=20, class_weights="inverse", evaluate_test=True)
    whole = train(config, dataset=dataset)
    stopped = train(config, dataset=dataset, hooks=Hooks(should_stop=stop_after(6)))
    resumed = train(config, run=stopped.run, dataset=dataset)
    assert same(final_weights(whole.run), final_weights(resumed.run))
    model, info = load_checkpoint(resumed.run.path / "best.safetensors")
    assert info.labels == names
    assert model.classifier.out_features == count
    assert Classifier.load(resumed.run.id).probabilities(dataset.images[:3]).shape == (3, count)


def test_fewer_faces_than_a_batch_make_one_step_and_the_log_says_so(workspace):
    result = train(tiny_config(batch_size=500), dataset=make_dataset(train=30))
    assert result.run.status.steps_per_epoch == 1
    assert "fewer than one batch of 500" in result.run.log_tail()[0]


def test_other_data_under_the_same_name_cannot_be_resumed(workspace):
    stopped = train(tiny_config(), dataset=make_dataset(), hooks=Hooks(should_stop=stop_after(2)))
    with pytest.raises(RunError, match="has changed since the run"):
        train(tiny_config(), run=stopped.run, dataset=make_dataset(seed=1))


def test_a_failed_attempt_to_resume_leaves_the_run_as_it_was(workspace):
    stopped = train(tiny_config(), dataset=make_dataset(), hooks=Hooks(should_stop=stop_after(2))).run
    before = {path.name: path.read_bytes() for path in stopped.path.iterdir()}
    with pytest.raises(RunError, match="has changed since the run"):
        train(tiny_config(), run=stopped, dataset=make_dataset(seed=1))
    assert {path.name: path.read_bytes() for path in stopped.path.iterdir()} == before
    stopped.write_status(
        Status(state="starting", epochs=3, previous="stopped", heartbeat=time.time())
    )  # as a page does
    with pytest.raises(RunError):
        train(tiny_config(), run=stopped, dataset=make_dataset(seed=1))
    assert stopped.state == "stopped"
    assert "has changed since the run" in str(stopped.status.error)
    assert train(tiny_config(), run=stopped, dataset=make_dataset()).state == "finished"
    assert stopped.status.error is None


def test_a_run_remembers_absolute_paths_and_resumes_with_moved_data(workspace, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    faces = make_dataset()
    for index, (image, label, split) in enumerate(zip(faces.images, faces.labels, faces.split, strict=True)):
        folder = tmp_path / "faces" / split / faces.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index}.png")
    stopped = train(tiny_config(data="faces"), hooks=Hooks(should_stop=stop_after(2))).run
    assert stopped.config.data == str(tmp_path / "faces")
    (tmp_path / "faces").rename(tmp_path / "moved")
    assert main(["train", "--resume", stopped.id]) == 2
    assert stopped.state == "stopped"
    assert main(["train", "--resume", stopped.id, "--data", "moved"]) == 0
    assert (stopped.state, stopped.config.data) == ("finished", str(tmp_path / "moved"))
    assert main(["train", "--resume", stopped.id, "--data", "moved", "--epochs", "9"]) == 2
    assert "keeps its settings" in capsys.readouterr().err


def test_a_damaged_resume_file_is_refused_with_what_to_do(workspace):
    stopped = train(tiny_config(), dataset=make_dataset(), hooks=Hooks(should_stop=stop_after(2)))
    path = stopped.run.path / "last.ckpt"
    for content in (path.read_bytes()[:1000], b"", b"no pickle"):
        path.write_bytes(content)
        with pytest.raises(RunError, match="best weights"):
            train(tiny_config(), run=stopped.run, dataset=make_dataset())


@pytest.mark.slow
def test_retraining_starts_from_the_weights_of_an_earlier_run(workspace):
    dataset = make_dataset()
    first = train(tiny_config(epochs=6), dataset=dataset)
    again = train(tiny_config(epochs=1, init_from=first.run.id, learning_rate=1e-6), dataset=dataset)
    assert again.records[0].valid_accuracy == pytest.approx(first.best.valid_accuracy, abs=0.15)
    with pytest.raises(FerError, match="cannot initialize a compact network"):
        train(tiny_config(model="compact", init_from=first.run.id), dataset=dataset)


def start_checkpoint(path, **changes):
    return str(untrained_checkpoint(path / "start.safetensors", seed=5, **changes))


def test_weights_for_the_same_classes_in_another_order_are_taken_by_name(workspace, tmp_path):
    names = ClassList.fer2013().names
    start, dataset = start_checkpoint(tmp_path), make_dataset(classes=names[::-1])
    config = tiny_config(epochs=1, init_from=start, freeze_epochs=1, learning_rate=1e-9, weight_decay=0)
    result = train(config, dataset=dataset)
    before, after = Classifier.load(start), Classifier.load(result.run.id)
    faces = dataset.images[:8]
    np.testing.assert_allclose(after.logits(faces), before.logits(faces)[:, ::-1], atol=1e-5)
    assert "the same classes" in result.run.log_tail()[0]


@pytest.mark.slow
def test_weights_for_other_classes_bring_all_layers_but_the_last(workspace, tmp_path):
    start, dataset = start_checkpoint(tmp_path), make_dataset(classes=("open", "closed", "half"))
    frozen = train(tiny_config(init_from=start, freeze_epochs=2), dataset=dataset)
    before, after = load_checkpoint(tmp_path / "start.safetensors")[0].state_dict(), final_weights(frozen.run)
    trunk = [name for name in before if not name.startswith("classifier.")]
    assert all(torch.equal(before[name], after[name]) for name in trunk)
    assert after["classifier.weight"].shape == (3, 256)
    assert "all layers but the last" in frozen.run.log_tail()[0]
    thawed = train(tiny_config(init_from=start, freeze_epochs=1), dataset=dataset)
    assert not any(torch.equal(before[name], final_weights(thawed.run)[name]) for name in trunk)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [3, 4, 5])
def test_a_run_stopped_around_the_end_of_its_frozen_epochs_resumes_bit_identically(steps, workspace, tmp_path):
    dataset = make_dataset(classes=("open", "closed"))
    config = tiny_config(init_from=start_checkpoint(tmp_path), freeze_epochs=1, ema_decay=0.9, mixup=0.2)
    whole = train(config, dataset=dataset)
    stopped = train(config, dataset=dataset, hooks=Hooks(should_stop=stop_after(steps)))
    resumed = train(config, run=stopped.run, dataset=dataset)
    assert same(final_weights(whole.run), final_weights(resumed.run))
    assert resumed.run.log_tail() == whole.run.log_tail()


def test_weights_of_another_shape_are_refused(workspace, tmp_path):
    config = tiny_config(model="compact", init_from="compact", model_args={"stem": 8})
    with pytest.raises(FerError, match="do not fit"):
        train(config, dataset=make_dataset())


@pytest.mark.slow
def test_a_teacher_with_more_classes_in_another_order_answers_with_those_of_the_data(workspace, tmp_path):
    start, x = start_checkpoint(tmp_path), torch.randn(2, 1, 48, 48)
    dataset = make_dataset(classes=("sad", "Happy", "angry"))
    training = _prepare(tiny_config(teachers=(start,)), dataset, workspace, Hooks(), threads=1).training
    seven = load_checkpoint(tmp_path / "start.safetensors")[0](x)
    wanted = (seven[:, [4, 3, 0]] / training.config.distillation_temperature).softmax(dim=1)
    assert torch.allclose(training.distillation.probabilities(x), wanted, atol=1e-5)
    assert train(training.config, dataset=dataset).state == "finished"


def test_a_teacher_that_lacks_a_class_of_the_data_is_refused(workspace):
    with pytest.raises(FerError, match="'seed' cannot be a teacher for these classes: it lacks bored"):
        train(tiny_config(teachers=("seed",)), dataset=make_dataset(classes=("happy", "bored")))


def test_a_full_disk_ends_in_a_failed_run_with_the_reason(workspace, monkeypatch):

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunWriter, "epoch", full)
    with pytest.raises(TrainingError, match="No space left"):
        train(tiny_config(), dataset=make_dataset())
    run = list_runs(workspace)[0]
    assert run.state == "failed"
    assert "Free some space" in run.status.error


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fer_core", *arguments], capture_output=True, text=True, check=False, cwd=PROJECT_ROOT
    )


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


QUICK = {"data": "synthetic:420", "batch_size": 32, "threads": 1}


@pytest.mark.slow
def test_a_background_training_outlives_its_starter_and_can_be_stopped_and_resumed(workspace):
    run = background.start(TrainConfig.parse({**QUICK, "epochs": 40}), "background", workspace=workspace)
    wait_for(lambda: len(run.records()) >= 1)
    assert run.state == "running"
    run.request_stop()
    wait_for(lambda: run.state == "stopped")
    done = len(run.records())
    assert 1 <= done < 40
    background.resume(run, workspace)
    wait_for(lambda: len(run.records()) > done)
    run.request_stop()
    wait_for(lambda: run.state == "stopped")
    run.path.joinpath("status.json").write_text(json.dumps({"state": "finished"}))
    with pytest.raises(RunError, match="only a stopped"):
        background.resume(run, workspace)


def killed_and_whole(config: TrainConfig) -> None:
    """Train once undisturbed and once with SIGKILL in the middle; the weights must be the same to the last bit."""
    whole = train(config)
    run = create_run(config, "killed", workspace=Workspace.default())
    process = subprocess.Popen([sys.executable, "-m", "fer_core", "train", "--run", str(run.path)], cwd=PROJECT_ROOT)
    wait_for(lambda: len(run.records()) >= 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert run.state == "lost"
    train(config, run=run)
    assert run.state == "finished"
    assert same(final_weights(whole.run), final_weights(run))


@pytest.mark.slow
def test_a_killed_training_is_found_lost_and_resumes_bit_identically(workspace):
    killed_and_whole(TrainConfig.parse({**QUICK, "epochs": 4, "precision": "float32"}))


@pytest.mark.slow
@pytest.mark.real_data
def test_a_killed_training_on_fer2013_resumes_bit_identically(workspace, fer2013_zip, tmp_path):
    """On a subset of the real faces, in the precision the machine chooses."""
    import zipfile

    wanted: dict[str, int] = {}
    with zipfile.ZipFile(fer2013_zip) as archive:
        for name in archive.namelist():
            kind = "/".join(name.split("/")[:2]) + name.split("/")[-1][:3]
            if name.endswith(".jpg") and "PrivateTest" not in name and wanted.get(kind, 0) < 60:
                wanted[kind] = wanted.get(kind, 0) + 1
                archive.extract(name, tmp_path / "faces")
    config = {"data": str(tmp_path / "faces"), "batch_size": 32, "threads": 1, "epochs": 4, "ema_decay": 0.9}
    killed_and_whole(TrainConfig.parse(config))


@pytest.mark.slow
def test_the_command_line_trains_and_prints_one_json_document(workspace):
    result = command("train", "--data", "synthetic:420", "--epochs", "1", "--set", "batch_size=32", "--json")
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["epochs"] == 1
    assert record["valid"]["accuracy"] > 0
    assert "Epoch: 1, train Loss:" in result.stderr
    shown = json.loads(command("runs", "show", record["run"], "--json").stdout)
    assert shown["state"] == "finished"
    evaluated = json.loads(
        command("evaluate", record["run"], "--data", "synthetic:420", "--split", "valid", "--json").stdout
    )
    assert evaluated["accuracy"] == record["valid"]["accuracy"]


@pytest.mark.slow
def test_the_command_trains_a_folder_of_classes_of_its_own_from_the_shipped_weights(workspace, tmp_path, capsys):
    source = make_dataset(train=60, valid=0, test=0, classes=("open", "closed", "half"))
    for i, (label, image) in enumerate(zip(source.labels, source.images, strict=True)):
        path = tmp_path / "faces" / source.classes[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    settings = ["--epochs", "2", "--set", "threads=1", "--set", "freeze_epochs=1"]
    assert main(["train", "--data", str(tmp_path / "faces"), *settings, "--merge", "shut=closed,half", "--json"]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["classes"] == ["shut", "open"]
    assert "60 training faces: using the preset own-faces" in said.err
    run = open_run(record["run"], workspace)
    assert (run.config.model, run.config.init_from) == ("compact", "compact")
    assert run.config.class_map == (
        MappedClass(name="shut", sources=("closed", "half")),
        MappedClass(name="open", sources=("open",)),
    )
    assert read_info(run.path / "best.safetensors").labels == ("shut", "open")
    run.write_status(run.status.model_copy(update={"state": "stopped"}))
    assert main(["train", "--resume", run.id, "--json"]) == 0, "the run reads its faces by its own map"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--epochs", "0"], "epochs"),
        (["train", "--resume", "nothing", "--drop", "sad"], "A run keeps its settings"),
        (["train", "--data", "synthetic:70", "--drop", "bored"], "'bored' is not a class"),
        (["train", "--set", "nonsense"], "NAME=VALUE"),
        (["train", "--set", "augment.shift=9"], "augment.shift"),
        (["train", "--preset", "nothing"], "preset"),
        (["train", "--data", "missing.zip"], "missing.zip"),
        (["train", "--resume", "nothing"], "no run"),
        (["evaluate", "nothing"], "no model"),
        (["runs", "show", "nothing"], "no run"),
    ],
)
def test_a_users_mistake_is_one_line_on_stderr_and_status_2(arguments, words, workspace, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert len(captured.err.strip().splitlines()) == 1
