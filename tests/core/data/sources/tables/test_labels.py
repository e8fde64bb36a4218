from __future__ import annotations

import pytest

from fer_core.data import load
from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.tables.labels import LabelClasses, classes_of_labels, parse_label
from fer_core.errors import DataError
from tests.source_factory import face, pixels_of, write_csv


def read(*cells: str, how="auto") -> LabelClasses:
    found = classes_of_labels([parse_label(cell) for cell in cells], how, "faces.csv")
    assert found is not None
    return found


def classes_of(found: LabelClasses) -> dict[object, str]:
    return {label: found.classes[i] for label, i in found.position.items()}


def test_numbers_are_the_ids_of_fer2013_and_only_those_present_are_classes():
    found = read("6", "3", " 3 ", "0")
    assert list(found.classes) == ["angry", "happy", "neutral"]
    assert classes_of(found) == {0: "angry", 3: "happy", 6: "neutral"}


def test_numbers_are_also_read_as_whole_floats():
    assert classes_of(read("6.0", "3.", "0.00")) == {0: "angry", 3: "happy", 6: "neutral"}


def test_seven_is_contempt_as_in_the_csv_of_ck_and_it_is_said():
    found = read("7", "0")
    assert classes_of(found) == {0: "angry", 7: "contempt"}
    assert found.notes == ("The label 7 was read as contempt, as in the csv of CK+.",)


@pytest.mark.parametrize(("how", "first"), [("affectnet", "neutral"), ("fer2013", "angry"), ("ferplus", "neutral")])
def test_numbers_mean_what_the_user_chose(how, first):
    assert classes_of(read("0", "1", "7", how=how))[0] == first
    assert classes_of(read("0", "1", "7", how=how))[7] == "contempt"
    assert read("0", "7", how=how).notes == ()


def test_numbers_that_the_chosen_data_set_does_not_have_are_unreadable():
    found = read("0", "1", "7", how="raf-db")
    assert classes_of(found) == {1: "surprise", 7: "neutral"}
    assert found.unreadable == {0: "has the label '0', which raf-db does not have"}


def test_names_of_emotions_go_with_numbers():
    assert classes_of(read("happiness", "3", "Contempt", "4")) == {
        "happiness": "happy", 3: "happy", "Contempt": "contempt", 4: "sad",
    }  # fmt: skip


def test_other_names_are_classes_as_they_are():
    found = read("tired", "Bored", "happiness", "tired ")
    assert list(found.classes) == ["Bored", "happiness", "tired"]
    assert read("happiness", "Anger", how="folders").classes.names == ("Anger", "happiness")


def test_labels_equal_but_for_case_are_one_class_and_said():
    found = read("On", "on", "off")
    assert list(found.classes) == ["off", "On"]
    assert found.notes == ("Labels that differ only in case are one class: 'On', 'on'.",)


def test_of_numbers_and_other_names_the_fewer_are_broken():
    found = read("0", "1", "2", "oops")
    assert list(found.classes) == ["angry", "disgust", "fear"]
    assert found.unreadable == {"oops": "has the label 'oops', a name among numbers of FER2013"}
    found = read("on", "off", "on", "2")
    assert list(found.classes) == ["off", "on"]
    assert found.unreadable == {2: "has the label '2', a number among names"}


def test_reading_emotions_only_leaves_other_names_out_and_counts_them():
    found = read("happy", "sad", "tired", "tired", "3", how="emotions")
    assert list(found.classes) == ["happy", "sad"]
    assert found.excluded == ("tired",)
    assert found.notes == ("Excluded 2 rows whose label names no emotion: 'tired'.",)
    assert classes_of_labels(["tired"], "emotions", "faces.csv") is None


@pytest.mark.parametrize("cell", ["", "  ", "8", "-1", "1.5", "nan", "1e99", "3.01", "1e0"])
def test_empty_cells_and_numbers_that_are_no_ids_are_broken(cell):
    with pytest.raises(UnreadableFile, match="expected 0…7 or the name of a class"):
        parse_label(cell)


@pytest.mark.parametrize("cells", [["happy"], ["3", "3"], [f"c{i}" for i in range(101)]])
def test_one_class_or_more_than_a_hundred_are_refused(cells):
    with pytest.raises(DataError, match=r"faces.csv: There (is|are) .*Found as classes: the labels"):
        read(*cells)


def test_a_name_that_cannot_be_a_class_is_refused():
    with pytest.raises(DataError, match="has 200 characters"):
        read("x" * 200, "y")


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_a_csv_of_own_classes_is_read(tmp_path, count):
    table = [(f"class {i % count:02}", pixels_of(face(i)), "Training") for i in range(2 * count)]
    dataset = load(write_csv(tmp_path / "a.csv", table))
    assert dataset.classes.names == tuple(f"class {i:02}" for i in range(count))
    assert dataset.labels.tolist() == [i % count for i in range(2 * count)]


def test_broken_labels_and_left_out_rows_keep_the_numbers_of_the_others(tmp_path):
    table = [(name, pixels_of(face(i)), "Training") for i, name in enumerate(["on", "off", "3", "on"])]
    path = write_csv(tmp_path / "a.csv", table)
    with pytest.raises(DataError, match=r"1 of 4 faces cannot be read: row 2 \(line 4\) has the label '3', a number"):
        load(path)
    assert load(path, skip_unreadable=True).ids.tolist() == ["row 0", "row 1", "row 3"]
    table = [(name, pixels_of(face(i)), "Training") for i, name in enumerate(["happy", "off", "3", "sad"])]
    dataset = load(write_csv(tmp_path / "b.csv", table), classes="emotions")
    assert dataset.ids.tolist() == ["row 0", "row 2", "row 3"]
    assert dataset.labels.tolist() == [0, 0, 1]
    with pytest.raises(DataError, match="no label names an emotion"):
        load(write_csv(tmp_path / "c.csv", [("on", pixels_of(face(1)), "Training")]), classes="emotions")
