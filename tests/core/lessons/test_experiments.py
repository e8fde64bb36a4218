from __future__ import annotations

import json
import sys
import textwrap
import threading
from dataclasses import replace

import numpy as np
import pytest

from fer_core.cli import main
from fer_core.data.duplicates import has_duplicate, pixel_groups
from fer_core.errors import DataError, FerError
from fer_core.lessons.experiments import ArmResult, experiment_subset, experiments, find, results, run
from fer_core.lessons.experiments import __path__ as folder
from fer_core.lessons.experiments.job import run_in_subprocess
from fer_core.training.runs import EpochRecord
from fer_core.workspace import Workspace
from tests.factories import entries, make_dataset

EXPERIMENTS = experiments()


def trained(train, valid, honest=None, n=1000) -> ArmResult:
    record = EpochRecord(
        epoch=1, train_loss=1, train_accuracy=train, valid_loss=1, valid_accuracy=valid,
        honest_loss=None if honest is None else 1.0, honest_accuracy=honest, learning_rate=0.1, seconds=1,
        images_per_second=1,
    )  # fmt: skip
    return ArmResult(name="arm", n_train=n, n_valid=n, n_honest=None if honest is None else n, records=(record,))


@pytest.mark.parametrize(
    ("name", "arms", "answer"),
    [
        ("leak", [trained(0.95, 0.97, 0.42), trained(0.95, 0.41)], 2),
        ("leak", [trained(0.6, 0.55, 0.42), trained(0.6, 0.41)], 1),
        ("leak", [trained(1, 1, 0.99), trained(1, 0.99)], 0),
        ("shuffled", [trained(0.99, 0.4), trained(0.25, 0.2)], 0),
        ("shuffled", [trained(0.99, 0.4), trained(0.95, 0.2)], 2),
        ("augmentation", [trained(0.9, 0.40), trained(0.5, 0.47)], 2),
        ("augmentation", [trained(0.9, 0.40), trained(0.5, 0.41)], 1),
        ("augmentation", [trained(0.9, 0.47), trained(0.5, 0.40)], 0),
    ],
)
def test_the_answer_and_the_paragraph_follow_from_the_numbers(name, arms, answer):
    experiment = EXPERIMENTS[name]
    assert experiment.answer(arms) == answer
    text = experiment.explain(arms)
    for arm in arms:
        assert f"{100 * arm.last.valid_accuracy:.0f}%" in text


def test_better_on_faces_never_seen_is_no_negative_distance():
    text = EXPERIMENTS["augmentation"].explain([trained(1, 0.95), trained(0.97, 0.99)])
    assert "97% and 99%, a gap of 2 points" in text


@pytest.mark.slow
def test_a_leak_shows_as_a_gap_between_memory_and_skill():
    noise = np.random.default_rng(0)
    dataset = make_dataset(train=280, valid=140)
    images = noise.integers(0, 256, dataset.images.shape).astype(
        np.uint8
    )  # nothing to be learnt, much to be remembered
    result = run(find("leak"), replace(dataset, images=images, fingerprint=""), epochs=12)
    leaky, clean = result.arms
    assert leaky.n_honest is not None
    assert leaky.last.valid_accuracy - leaky.last.honest_accuracy > 0.4
    assert clean.last.honest_accuracy is None
    assert abs(clean.last.valid_accuracy - leaky.last.honest_accuracy) < 0.2


def test_shuffling_changes_training_labels_only_and_keeps_their_counts():
    dataset = experiment_subset(make_dataset(train=280, valid=140), 280)
    change = find("shuffled").arms[1].change
    assert change is not None
    shuffled = change(dataset, np.random.default_rng(0))
    train = dataset.split == "train"
    assert np.array_equal(shuffled.labels[~train], dataset.labels[~train])
    assert not np.array_equal(shuffled.labels[train], dataset.labels[train])
    assert np.array_equal(np.bincount(shuffled.labels[train]), np.bincount(dataset.labels[train]))
    assert np.array_equal(shuffled.images, dataset.images)
    assert shuffled.fingerprint != dataset.fingerprint


def test_the_small_set_has_no_face_on_both_sides():
    dataset = make_dataset(train=280, valid=140)
    images = dataset.images.copy()
    images[280:300] = images[:20]
    small = experiment_subset(replace(dataset, images=images, fingerprint=""), 280)
    groups = pixel_groups(small.images)
    assert not has_duplicate(groups, small.indices("valid"), small.indices("train")).any()
    assert small.counts() == {"train": 280, "valid": 120, "test": 0}


def test_without_a_validation_split_left_over_faces_validate():
    dataset = make_dataset(train=420, valid=0, test=7)
    assert experiment_subset(dataset, 200).counts() == {"train": 200, "valid": 220, "test": 0}
    assert experiment_subset(dataset, 5000).counts() == {"train": 336, "valid": 84, "test": 0}
    with pytest.raises(DataError, match="too few faces"):
        experiment_subset(make_dataset(train=70, valid=70), 70)


def test_no_person_stands_on_both_sides():
    dataset = make_dataset(train=420, valid=0, test=0, classes=("open", "closed"))
    people = np.array([f"person {i % 30}" for i in range(len(dataset))])
    small = experiment_subset(replace(dataset, groups=people), 200)
    sides = [set(small.groups[small.indices(split)]) for split in ("train", "valid")]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_the_paragraph_counts_the_classes_of_the_data():
    arms = [trained(0.99, 0.9), trained(0.9, 0.5)]
    assert "guessing among 2 classes" in find("shuffled").explain(
        [arm.model_copy(update={"classes": 2}) for arm in arms]
    )


def test_an_experiment_runs_on_any_classes():
    result = run(find("shuffled"), make_dataset(train=160, valid=80, classes=("open", "closed", "half")), epochs=1)
    assert [arm.classes for arm in result.arms] == [3, 3]


def test_a_result_is_kept_by_data_and_settings(tmp_path):
    workspace, dataset = Workspace(tmp_path), make_dataset(train=140)
    experiment = find("augmentation")
    result = run(experiment, dataset, epochs=1)
    assert results.get(experiment, dataset, workspace) is None
    results.put(result, experiment, dataset, workspace)
    assert results.get(experiment, dataset, workspace) == result
    assert results.get(replace(experiment, faces=99), dataset, workspace) is None
    (file,) = entries(workspace, "experiments")
    file.write_text("{")
    assert results.get(experiment, dataset, workspace) is None
    results.delete(experiment, dataset, workspace)
    assert not entries(workspace, "experiments")


def test_one_short_file_adds_an_experiment(tmp_path, monkeypatch):
    (tmp_path / "a_fourth.py").write_text(
        textwrap.dedent(
            """
            from dataclasses import replace
            from fer_core.lessons.experiments.leak import EXPERIMENT as LEAK

            EXPERIMENT = replace(LEAK, name="fourth", title="A fourth")
            """
        )
    )
    folder.append(str(tmp_path))
    try:
        assert list(experiments()) == [*EXPERIMENTS, "fourth"]
    finally:
        folder.remove(str(tmp_path))
        sys.modules.pop("fer_core.lessons.experiments.a_fourth", None)


def test_the_command_lists_runs_and_refuses(capsys, tmp_path):
    assert main(["experiment", "--json"]) == 0
    assert [e["name"] for e in json.loads(capsys.readouterr().out)] == ["leak", "shuffled", "augmentation"]
    assert main(["experiment", "magic"]) == 2
    assert "Unknown experiment 'magic'" in capsys.readouterr().err
    assert main(["experiment", "shuffled", "--data", "synthetic:700", "--epochs", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [arm["name"] for arm in document["arms"]] == ["true labels", "shuffled labels"]
    assert document["explanation"]


def test_a_process_of_its_own_says_what_is_wrong(tmp_path):
    with pytest.raises(FerError, match="no-such-folder"):
        run_in_subprocess("leak", "no-such-folder", lambda *_: None, lambda: False, Workspace(tmp_path))


@pytest.mark.slow
def test_a_process_of_its_own_reports_and_ends_when_told(tmp_path):
    seen: list[tuple[int, int]] = []
    started = threading.Event()

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        started.set()

    result = run_in_subprocess("leak", "synthetic:700", progress, started.is_set, Workspace(tmp_path))
    assert result is None
    assert seen[0][1] == 28
    assert 1 <= seen[0][0] < 28
    assert len(seen) == 1
