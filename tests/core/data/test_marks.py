from __future__ import annotations

import threading

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.cleaning import Cleaning, blank, clean_indices, clean_split, deduplicated
from fer_core.data.dataset import FaceDataset
from fer_core.data.marks import Marks, marks_for, positions, relabeled
from fer_core.data.protocols import make_split
from fer_core.errors import DataError
from tests.factories import make_dataset

SEVEN = ClassList.fer2013().names


@pytest.fixture
def dataset():
    return make_dataset()


@pytest.fixture
def marks(dataset, workspace) -> Marks:
    return marks_for(dataset, workspace)


def test_nothing_is_written_before_the_first_mark(marks, workspace):
    assert marks.current() == {}
    assert not workspace.marks.exists()


def test_marks_are_kept_and_the_last_one_on_a_face_wins(marks):
    marks.add(["face 1", "face 2"], "wrong_label", "Happiness")
    marks.add(["face 1"], "ambiguous")
    current = marks.current()
    assert current["face 2"].label == "happy"
    assert current["face 1"].kind == "ambiguous"


def test_undoing_brings_back_what_held_before(marks):
    marks.add(["face 1"], "wrong_label", "sad")
    second = marks.add(["face 1"], "not_a_face")
    marks.undo([m.act for m in second])
    assert marks.current()["face 1"].label == "sad"
    marks.undo([m.act for m in marks.current().values()])
    assert marks.current() == {}


def test_two_writers_at_once_both_keep_their_marks(dataset, workspace):
    def mark(start: int) -> None:
        journal = Marks(dataset.fingerprint, dataset.classes, workspace)
        for i in range(start, start + 20):
            journal.add([f"face {i}"], "ambiguous")

    threads = [threading.Thread(target=mark, args=(20 * t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(marks_for(dataset, workspace).current()) == 80


def test_a_line_cut_short_by_a_crash_loses_only_itself(marks):
    marks.add(["face 1", "face 2"], "ambiguous")
    marks.path.write_bytes(marks.path.read_bytes()[:-20])
    assert list(marks.current()) == ["face 1"]
    marks.add(["face 3"], "ambiguous")
    with pytest.raises(DataError, match="Line 2"):  # now it stands in the middle: never skipped in silence
        marks.current()


@pytest.mark.parametrize(
    ("kind", "label"), [("wrong_label", None), ("ambiguous", "sad"), ("ugly", None), ("wrong_label", "bored")]
)
def test_a_mark_that_makes_no_sense_is_refused_and_changes_nothing(marks, workspace, kind, label):
    with pytest.raises(DataError):
        marks.add(["face 1"], kind, label)
    assert not workspace.marks.exists()


def test_marks_of_other_data_are_refused_with_an_example(dataset, marks):
    marks.add(["somebody else"], "ambiguous")
    with pytest.raises(DataError, match="somebody else"):
        positions(dataset, marks.current())


def test_the_export_cannot_be_run_as_a_formula(marks):
    marks.add(["=cmd()"], "wrong_label", "sad")
    assert marks.to_csv() == "face,kind,label\n'=cmd(),wrong_label,sad\n"


def test_relabeling_leaves_the_source_as_it_is(dataset, marks):
    marks.add(["face 3"], "wrong_label", "neutral")
    labels = relabeled(dataset, positions(dataset, marks.current()))
    assert labels[3] == SEVEN.index("neutral")
    assert dataset.labels[3] == 3
    assert (np.delete(labels, 3) == np.delete(dataset.labels, 3)).all()


def with_copies() -> FaceDataset:
    """Training faces 0 and 1 are equal, 2 also stands in valid, 3 in test, 4 is blank, and valid 10 also in test."""
    base = make_dataset(train=10, valid=5, test=5)
    images = base.images.copy()
    images[1] = images[0]
    images[11] = images[2]
    images[15] = images[3]
    images[4] = 7
    images[16] = images[10]
    return FaceDataset("copies", images, base.labels.copy(), base.split.copy(), base.ids.copy(), base.classes)


def test_dropping_duplicates_keeps_one_copy_and_none_that_stands_in_another_split(workspace):
    dataset = with_copies()
    _, split = clean_split(dataset, make_split(dataset, "official", 0.1, 0), Cleaning(drop_duplicates=True), workspace)
    assert split.train.tolist() == [0, 4, 5, 6, 7, 8, 9]
    assert split.valid.tolist() == [10, 11, 12, 13, 14]


def test_deduplicated_faces_stand_in_no_other_split_that_was_seen():
    dataset = with_copies()
    assert deduplicated(dataset, dataset.indices("test")).tolist() == [17, 18, 19]
    assert deduplicated(dataset, dataset.indices("valid")).tolist() == [10, 12, 13, 14]


def test_blank_images_are_dropped_everywhere(workspace):
    dataset = with_copies()
    assert np.flatnonzero(blank(dataset.images)).tolist() == [4]
    _, split = clean_split(dataset, make_split(dataset, "official", 0.1, 0), Cleaning(drop_blank=True), workspace)
    assert 4 not in split.train


def test_marks_relabel_and_leave_out_in_training_and_evaluation(workspace):
    dataset = with_copies()
    marks = marks_for(dataset, workspace)
    marks.add(["face 5"], "wrong_label", "angry")
    marks.add(["face 6"], "not_a_face")
    marks.add(["face 17"], "ambiguous")
    cleaned, split = clean_split(dataset, make_split(dataset, "official", 0.1, 0), Cleaning(use_marks=True), workspace)
    assert cleaned.labels[5] == 0
    assert 6 not in split.train
    assert cleaned.fingerprint == dataset.fingerprint
    _, test = clean_indices(dataset, "test", Cleaning(use_marks=True), workspace)
    assert test.tolist() == [15, 16, 18, 19]


def test_cleaning_everything_away_is_refused(workspace):
    dataset = make_dataset(train=7, valid=7, test=7)
    marks_for(dataset, workspace).add([f"face {i}" for i in range(14, 21)], "not_a_face")
    with pytest.raises(DataError, match="is empty"):
        clean_indices(dataset, "test", Cleaning(use_marks=True), workspace)
