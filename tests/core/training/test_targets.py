"""Trainings on people's votes, and on labels and votes together: what their runs leave, and what can use it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from fer_core.classes import ClassList
from fer_core.cli import main
from fer_core.data.marks import marks_for
from fer_core.errors import ConfigError, DataError, FerError, ModelError, RunError
from fer_core.evaluation import Predictions, evaluate
from fer_core.inference import Classifier, load_checkpoint, read_info, resolve_model
from fer_core.training import Hooks, train
from fer_core.training.outputs import make_outputs
from fer_core.training.pretrained import load_teacher, load_teachers
from fer_core.training.step.distillation import ViewCache
from tests.factories import make_dataset, tiny_config, untrained_checkpoint, with_votes

EIGHT, SEVEN = ClassList.ferplus(), ClassList.fer2013()


@pytest.fixture
def voted():
    return with_votes(make_dataset(), nobody=5)


@pytest.fixture
def both(voted, workspace):
    return train(tiny_config(targets="both", epochs=1, evaluate_test=True), dataset=voted, name="two outputs")


def stop_after(steps: int):
    seen = iter(range(10_000))
    return lambda: next(seen) >= steps - 1


def test_a_training_on_votes_leaves_an_ordinary_checkpoint_with_what_it_learned(voted, workspace):
    result = train(tiny_config(targets="votes", evaluate_test=True), dataset=voted)
    info = read_info(result.run.path / "best.safetensors")
    assert (info.labels, info.target, info.metrics["valid"]["n"]) == (EIGHT.names, "votes", 65)
    assert info.metrics["valid"]["accuracy"] == result.best.valid_accuracy
    assert sum(info.prior) == pytest.approx(1)
    assert not (result.run.path / "best-labels.safetensors").exists()
    kept = Predictions.read(result.run.path / "predictions-valid.npz")
    assert (kept.classes, len(kept.ids)) == (EIGHT, 65)
    assert np.mean(kept.predicted == kept.labels) == result.best.valid_accuracy
    assert result.test.n == 65
    record = result.to_dict()
    assert (record["targets"], record["classes"], record["valid"]["n"]) == ("votes", list(EIGHT), 65)
    log = result.run.log_tail()
    assert log[0] == "Note: 5 of 140 training faces have no usable votes; they are excluded."
    evaluation, _ = evaluate(Classifier.load(result.run.id), voted, "valid")
    assert evaluation.n == 70


def test_labels_carry_their_prior_and_stay_as_they_were(workspace):
    result = train(tiny_config(epochs=1), dataset=make_dataset())
    info = read_info(result.run.path / "best.safetensors")
    assert info.prior == pytest.approx([1 / 7] * 7)
    assert info.target == "labels"
    assert "outputs" not in result.to_dict()


def test_both_leave_two_ordinary_checkpoints_of_one_trunk(both):
    path = both.run.path
    votes, of_votes = load_checkpoint(path / "best.safetensors")
    labels, of_labels = load_checkpoint(path / "best-labels.safetensors")
    assert (of_votes.labels, of_votes.target, of_votes.metrics["valid"]["n"]) == (EIGHT.names, "votes", 65)
    assert (of_labels.labels, of_labels.target, of_labels.metrics["valid"]["n"]) == (SEVEN.names, "labels", 70)
    for name, value in votes.state_dict().items():
        assert name.startswith("classifier.") or torch.equal(value, labels.state_dict()[name]), name
    whole = torch.load(path / "last.ckpt", weights_only=True)["training"]["model"]
    assert whole["classifier.weight"].shape[0] == 15
    names = {p.name for p in path.iterdir()}
    for split in ("valid", "test"):
        assert names >= {f"evaluation-{split}.json", f"evaluation-{split}-labels.json"}
        assert Predictions.read(path / f"predictions-{split}.npz").classes == EIGHT
        assert Predictions.read(path / f"predictions-{split}-labels.npz").classes == SEVEN
    assert json.loads((path / "evaluation-test.json").read_bytes())["n"] == both.test.n == 65


def test_the_figures_of_both_are_those_of_the_two_outputs(both, workspace):
    record, run = both.to_dict(), both.run
    assert set(record["outputs"]) == {"votes", "labels"}
    accuracies = []
    for target, figures in record["outputs"].items():
        info = read_info(resolve_model(figures["model"], workspace))
        assert info.target == target
        assert info.metrics["valid"]["accuracy"] == figures["valid"]["accuracy"]
        accuracies.append(figures["valid"]["accuracy"])
    assert record["valid"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert any(line.startswith("Epoch: 1, valid votes Loss:") for line in run.log_tail())


def test_a_model_is_named_by_what_it_learned(both, workspace, tmp_path):
    run = both.run
    best, labels = run.path / "best.safetensors", run.path / "best-labels.safetensors"
    assert resolve_model(run.id, workspace) == resolve_model(f"{run.id}:votes", workspace) == best
    assert resolve_model(f"{run.id}:labels", workspace) == labels
    assert resolve_model(f"{run.path}:labels", workspace) == labels
    x = untrained_checkpoint(tmp_path / "x.safetensors", labels=EIGHT.names, target="votes")
    beside = untrained_checkpoint(tmp_path / "x-labels.safetensors")
    assert resolve_model(x, workspace) == resolve_model(f"{x}:votes", workspace) == x
    assert resolve_model(f"{x}:labels", workspace) == beside
    assert resolve_model("seed:labels", workspace) == resolve_model("seed", workspace)
    with pytest.raises(ModelError, match="'seed' has no output for votes; it learned labels only"):
        resolve_model("seed:votes", workspace)
    with pytest.raises(ModelError, match="no model 'nothing'"):
        resolve_model("nothing:votes", workspace)
    with pytest.raises(ModelError, match="no model 'seed:other'"):
        resolve_model("seed:other", workspace)


def test_either_output_can_be_evaluated_from_the_command_line(both, workspace, tmp_path, capsys):
    for target, classes in (("votes", 8), ("labels", 7)):
        assert main(["evaluate", f"{both.run.id}:{target}", "--data", "synthetic:140", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["classes"]["model"]) == classes


def test_either_output_teaches_its_like(both, voted, workspace):
    x = torch.randn(2, 1, 48, 48)
    votes, labels = (load_checkpoint(resolve_model(f"{both.run.id}:{t}", workspace))[0] for t in ("votes", "labels"))
    for targets, networks in (("votes", [votes]), ("labels", [labels]), ("both", [votes, labels])):
        teacher = load_teacher(both.run.id, make_outputs(voted, targets), workspace).eval()
        assert torch.allclose(teacher(x), torch.cat([network(x) for network in networks], 1), atol=1e-6)
    named = load_teacher(f"{both.run.id}:labels", make_outputs(voted, "labels"), workspace).eval()
    assert torch.allclose(named(x), labels(x), atol=1e-6)
    with pytest.raises(FerError, match="it lacks contempt"):
        load_teacher(f"{both.run.id}:labels", make_outputs(voted, "votes"), workspace)
    taught = train(tiny_config(targets="both", epochs=1, teachers=(both.run.id,), cached_views=1), dataset=voted)
    assert taught.state == "finished"


def test_where_views_are_kept_both_outputs_of_a_teacher_answer(both, voted, workspace):
    for targets in ("labels", "votes"):
        config = tiny_config(targets=targets, teachers=(both.run.id,), cached_views=1)
        _, answered = load_teachers(config, voted, make_outputs(voted, targets), workspace)
        assert [output.target for output in answered] == ["votes", "labels"]
    config = tiny_config(teachers=(both.run.id, "seed"), cached_views=1)
    _, answered = load_teachers(config, voted, make_outputs(voted, "labels"), workspace)
    assert [output.target for output in answered] == ["labels"], "seed learned labels only"
    assert train(config, dataset=voted).state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 4])
def test_a_student_of_votes_resumes_bit_identically_with_kept_views(steps, both, voted, workspace):
    config = tiny_config(targets="votes", teachers=(both.run.id,), cached_views=1)
    whole = train(config, dataset=voted, views=ViewCache())
    stopped = train(config, dataset=voted, hooks=Hooks(should_stop=stop_after(steps)))
    resumed = train(config, run=stopped.run, dataset=voted)
    ours, theirs = (load_checkpoint(r.run.path / "best.safetensors")[0].state_dict() for r in (whole, resumed))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_networks_of_different_trunks_teach_side_by_side(voted, workspace, tmp_path):
    x = untrained_checkpoint(tmp_path / "x.safetensors", labels=EIGHT.names, target="votes", seed=1)
    labels = untrained_checkpoint(tmp_path / "x-labels.safetensors", seed=2)
    teacher, faces = load_teacher(str(x), make_outputs(voted, "both"), workspace).eval(), torch.randn(2, 1, 48, 48)
    wanted = torch.cat([load_checkpoint(path)[0](faces) for path in (x, labels)], 1)
    assert torch.allclose(teacher(faces), wanted, atol=1e-6)
    assert train(tiny_config(targets="both", epochs=1, teachers=(str(x),)), dataset=voted).state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["labels", "votes", "both"])
def test_a_training_starts_from_the_output_that_learned_the_same(both, voted, targets, workspace):
    config = tiny_config(
        targets=targets, epochs=1, init_from=both.run.id, learning_rate=1e-9, weight_decay=0, freeze_epochs=1
    )
    again = train(config, dataset=voted)
    assert "Initialized all layers from" in again.run.log_tail()[0]
    for target in ("votes", "labels") if targets == "both" else (targets,):
        before, after = (Classifier.load(f"{run.id}:{target}") for run in (both.run, again.run))
        np.testing.assert_allclose(after.logits(voted.images[:4]), before.logits(voted.images[:4]), atol=1e-4)


def test_both_start_from_labels_with_a_new_last_layer(voted, workspace, tmp_path):
    start = str(untrained_checkpoint(tmp_path / "start.safetensors", seed=5))
    result = train(tiny_config(targets="both", epochs=1, init_from=start, freeze_epochs=1), dataset=voted)
    assert "all layers but the last" in result.run.log_tail()[0]
    before = load_checkpoint(tmp_path / "start.safetensors")[0].state_dict()
    after = load_checkpoint(result.run.path / "best-labels.safetensors")[0].state_dict()
    assert torch.equal(before["fc.weight"], after["fc.weight"])
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("steps", [2, 5])
def test_a_stopped_run_of_both_resumes_bit_identically(steps, voted, workspace):
    config = tiny_config(targets="both", mixup=0.2, ema_decay=0.9, class_weights="sqrt")
    whole = train(config, dataset=voted)
    stopped = train(config, dataset=voted, hooks=Hooks(should_stop=stop_after(steps)))
    assert stopped.state == "stopped"
    resumed = train(config, run=stopped.run, dataset=voted)
    for name in ("best.safetensors", "best-labels.safetensors"):
        ours, theirs = (load_checkpoint(run.path / name)[0].state_dict() for run in (whole.run, resumed.run))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert resumed.run.log_tail() == whole.run.log_tail()


def test_other_votes_under_the_same_name_cannot_be_resumed(voted, workspace):
    config = tiny_config(targets="votes")
    stopped = train(config, dataset=voted, hooks=Hooks(should_stop=stop_after(2)))
    others = dataclasses.replace(voted, votes=np.roll(voted.votes, 1, axis=1))
    with pytest.raises(RunError, match=r"The votes on .* have changed"):
        train(config, run=stopped.run, dataset=others)
    assert train(config, run=stopped.run, dataset=voted).state == "finished"


def test_marked_faces_are_left_out_of_training_on_votes_and_the_votes_stay(voted, workspace):
    marks = marks_for(voted, workspace)
    marks.add([voted.ids[10]], "not_a_face")
    marks.add([voted.ids[11]], "wrong_label", "happy")
    result = train(tiny_config(targets="both", epochs=1, use_marks=True), dataset=voted)
    assert "5 of 139 training faces have no usable votes" in result.run.log_tail()[0]


def test_refusals_change_nothing_on_disk(workspace):
    with pytest.raises(DataError, match="has no votes"):
        train(tiny_config(targets="votes"), dataset=make_dataset())
    by_majority = dataclasses.replace(with_votes(make_dataset()), truth="votes")
    with pytest.raises(ConfigError, match="targets 'both' requires truth 'labels'"):
        train(tiny_config(targets="both"), dataset=by_majority)
    assert not workspace.runs.exists()


@pytest.mark.parametrize("arguments", [["--set", "targets=votes"], ["--set", "targets=both"]])
def test_the_command_refuses_faces_without_votes_in_one_line(arguments, workspace, capsys):
    assert main(["train", "--data", "synthetic:140", "--preset", "standard", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert "has no votes. For FER2013, put FER+'s fer2013new.csv beside it" in said
    assert len(said.splitlines()) == 1


@pytest.fixture
def folder(tmp_path):
    """A folder of two own classes; people voted on most of its faces, on some for *nothing*."""
    source = make_dataset(train=60, valid=30, test=0, classes=("open", "shut"))
    lines = ["file,shut,open,nothing"]
    for i, image in enumerate(source.images):
        path = f"{source.split[i]}/{source.label_name(i)}/{i}.png"
        (tmp_path / "faces" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "faces" / path)
        counts = "0,0,9" if i % 10 == 0 else "3,6,0" if source.labels[i] == 0 else "6,3,0"
        if i % 10 != 1:
            lines.append(f"{path},{counts}")
    (tmp_path / "faces" / "votes.csv").write_text("\n".join(lines))
    return tmp_path / "faces"


def command(folder, *more):
    small = ["--preset", "standard", "--epochs", "1", "--set", "batch_size=16", "--set", "threads=1"]
    return main(["train", "--data", str(folder), *small, *more, "--json"])


def test_the_command_trains_both_on_own_votes_of_a_part_of_the_faces(folder, workspace, capsys):
    assert command(folder, "--set", "targets=both") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["targets"], record["classes"]) == ("both", ["open", "shut"])
    assert (record["outputs"]["labels"]["valid"]["n"], record["outputs"]["votes"]["valid"]["n"]) == (30, 24)
    log = (workspace.runs / record["run"] / "log.txt").read_text()
    assert "12 of 60 training faces have no usable votes; they are used for their label only." in log


def test_votes_on_other_faces_are_refused_in_words(folder, capsys):
    (folder / "votes.csv").write_text("file,open,shut\nelsewhere.png,3,4\n")
    assert command(folder, "--set", "targets=votes") == 2
    said = capsys.readouterr().err
    assert "has no votes" in said
    assert "votes.csv" in said


def test_soft_targets_and_majority_labels_together_are_refused(folder, capsys):
    assert command(folder, "--set", "targets=votes", "--truth", "votes") == 2
    assert "targets 'votes' requires truth 'labels'" in capsys.readouterr().err
