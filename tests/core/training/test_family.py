from __future__ import annotations

import pytest

from fer_core.cli import main
from fer_core.data.class_map import apply_class_map, make_class_map
from fer_core.errors import TrainingError
from fer_core.inference import read_info
from fer_core.training import Hooks, list_runs
from fer_core.training.family import STUDENTS as shipped_students
from fer_core.training.family import epochs_for, teachers_for, train_family
from tests.factories import make_dataset, with_votes

QUICK = {"batch_size": 35, "precision": "float32", "device": "cpu", "threads": 1}
SMALL = {**QUICK, "model_args": {"stem": 4, "widths": [4, 8], "blocks": [1, 1]}}
STUDENTS = {
    "compact": {**SMALL, "preset": "compact-gpu"},
    "compact-people": {**SMALL, "preset": "compact-gpu", "model": "compact", "targets": "votes"},
}


@pytest.mark.parametrize(
    ("seconds", "per_epoch", "epochs"), [(100, 1, 100), (10, 1, 60), (10_000, 1, 300), (100, 0, 300)]
)
def test_epochs_follow_from_the_time_within_bounds(seconds, per_epoch, epochs):
    assert epochs_for(seconds, per_epoch) == epochs


@pytest.mark.parametrize(("seconds", "per_epoch", "teachers"), [(720, 2, 6), (480, 2, 4), (10, 2, 1)])
def test_fewer_teachers_where_the_time_is_short(seconds, per_epoch, teachers):
    assert teachers_for(seconds, per_epoch, 6) == teachers


def family(workspace, hooks=None, repeats=1, minutes=0.001, dataset=None):
    return train_family(
        "synthetic", minutes, teachers=2, repeats=repeats, students=STUDENTS, teacher=SMALL, limits=(1, 1),
        dataset=dataset or make_dataset(), workspace=workspace, hooks=hooks,
    )  # fmt: skip


def test_the_students_learn_from_the_teachers_and_a_second_call_trains_nothing(workspace):
    first = family(workspace)
    assert [member.name for member in first.teachers] == ["Teacher 1"]  # the time is long over: one, and one epoch
    assert [member.name for member in first.students] == ["Student compact"]
    student = next(run for run in list_runs(workspace) if run.id == first.students[0].run)
    assert student.config.teachers == (first.teachers[0].run,)
    assert student.config.mixup == 0
    assert student.config.label_smoothing == 0
    runs = {run.id for run in list_runs(workspace)}
    second = family(workspace)
    assert {run.id for run in list_runs(workspace)} == runs
    assert [m.run for m in second.teachers + second.students] == [m.run for m in first.teachers + first.students]


@pytest.mark.slow
def test_with_votes_teachers_learn_both_and_students_each_from_the_like_output(workspace):
    both = family(workspace, dataset=with_votes(make_dataset(), nobody=3))
    assert [member.name for member in both.students] == ["Student compact", "Student compact-people"]
    runs = {run.id: run for run in list_runs(workspace)}
    teacher = runs[both.teachers[0].run]
    assert teacher.config.targets == "both"
    assert [runs[member.run].config.targets for member in both.students] == ["labels", "votes"]
    assert {runs[member.run].config.teachers for member in both.students} == {(teacher.id,)}
    classes = [len(read_info(runs[member.run].path / "best.safetensors").labels) for member in both.students]
    assert classes == [7, 8]
    labels_only = family(workspace)
    assert labels_only.teachers[0].run != teacher.id, "a teacher of another kind does not count"
    assert [member.name for member in labels_only.students] == ["Student compact"]


def test_votes_that_nobody_can_learn_from_leave_a_family_for_labels(workspace):
    assert len(family(workspace, dataset=with_votes(make_dataset(), nobody=140)).students) == 1


def test_the_family_we_ship_is_of_two_networks_for_labels_and_two_for_votes():
    kinds = {name: (own["model"], own.get("targets", "labels")) for name, own in shipped_students.items()}
    assert kinds == {
        "compact": ("compact", "labels"), "seed": ("seed", "labels"),
        "compact-people": ("compact", "votes"), "seed-people": ("seed", "votes"),
    }  # fmt: skip


def test_a_later_call_with_less_time_still_knows_all_teachers(workspace):
    first = family(workspace, minutes=30)
    assert [member.name for member in first.teachers] == ["Teacher 1", "Teacher 2"]
    second = family(workspace, repeats=2)
    assert second.teachers[1].run == first.teachers[1].run
    newest = next(run for run in list_runs(workspace) if run.label.name == "Student compact 2")
    assert newest.config.teachers == tuple(member.run for member in first.teachers)


def test_repeats_are_students_of_other_seeds(workspace):
    students = family(workspace, repeats=2).students
    assert [member.name for member in students] == ["Student compact 1", "Student compact 2"]
    runs = {run.label.name: run for run in list_runs(workspace)}
    assert [runs[member.name].config.seed for member in students] == [0, 1]


@pytest.mark.slow
def test_other_classes_have_a_family_of_their_own(workspace):
    first, dataset = family(workspace), make_dataset()
    merged = make_class_map(dataset.classes, merge=[("low", ["angry", "disgust", "fear", "sad"])])
    second = family(workspace, dataset=apply_class_map(dataset, merged))
    assert second.teachers[0].run != first.teachers[0].run
    info = read_info(workspace.runs / second.students[0].run / "best.safetensors")
    assert info.labels == ("low", "happy", "surprise", "neutral")


def test_a_stop_ends_the_whole_and_the_next_call_goes_on(workspace):
    with pytest.raises(TrainingError, match="Teacher, timed was stopped"):
        family(workspace, Hooks(should_stop=lambda: True))
    assert [run.state for run in list_runs(workspace)] == ["stopped"]
    stopped = list_runs(workspace)[0].id
    family(workspace)
    assert next(run for run in list_runs(workspace) if run.id == stopped).state == "finished"


def test_the_command_refuses_data_that_is_not_there_and_trains_nothing(workspace, capsys):
    assert main(["train-family", "--data", "nowhere.zip", "--minutes", "1", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nowhere.zip" in captured.err
    assert not list_runs(workspace)
