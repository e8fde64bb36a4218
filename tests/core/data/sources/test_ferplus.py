from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data import load
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS, read_order, read_votes
from fer_core.errors import DataError
from tests.source_factory import png, rows, write_csv, write_folder, write_zip

HEADER = "Usage,Image name," + ",".join(FERPLUS_COLUMNS)
USAGES = ("Training", "PublicTest", "PrivateTest")


def usage(row: int) -> str:
    return USAGES[row // 7 % 3]


def votes_of(row: int) -> list[int]:
    """Ten votes that differ from row to row."""
    return [row % 11, *([0] * 8), 10 - row % 11]


def write_votes(path: Path, count: int = 21, header: str = HEADER) -> Path:
    lines = [f"{usage(i)},fer{i:07d}.png,{','.join(map(str, votes_of(i)))}" for i in range(count)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def image_names(count: int = 21) -> list[str]:
    """The file of each row; every name stands in the folders of several emotions, as some do in FER2013."""
    folders = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}
    return [f"{folders[usage(i)]}/{ClassList.fer2013()[i % 7]}/{usage(i)}_{i // 7}.png" for i in range(count)]


def write_order(path: Path, names: list[str]) -> Path:
    lines = [f"{i},{usage(i)},{i % 7},{name},1" for i, name in enumerate(names)]
    path.write_text("\n".join(["row,usage,emotion,file,exact", *lines]) + "\n")
    return path


@pytest.fixture
def csv(tmp_path):
    return write_csv(tmp_path / "fer2013.csv", rows(21))


@pytest.fixture
def kaggle_zip(tmp_path):
    return write_zip(tmp_path / "fer2013.zip", {name: png(i) for i, name in enumerate(image_names())})


def test_votes_beside_a_csv_are_attached_row_by_row(csv, tmp_path):
    assert load(csv).votes is None
    write_votes(tmp_path / "fer2013new.csv")
    dataset = load(csv)
    assert dataset.votes is not None
    assert dataset.votes.dtype == np.int64
    assert dataset.votes.tolist() == [votes_of(i) for i in range(21)]
    assert dataset.warnings == ()
    cached = load(csv)
    assert cached.votes is not None
    assert (cached.votes == dataset.votes).all()


def test_votes_can_lie_anywhere_when_they_are_named(csv, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    votes = write_votes(tmp_path / "elsewhere" / "votes.csv")
    dataset = load(csv, votes=votes)
    assert dataset.votes is not None
    assert dataset.votes.sum() == 210
    assert load(csv).votes is None


def test_skipped_rows_do_not_shift_the_votes(tmp_path):
    table = rows(21)
    table[4] = (4, "1 2 3", "Training")
    write_votes(tmp_path / "fer2013new.csv")
    dataset = load(write_csv(tmp_path / "a.csv", table), skip_unreadable=True)
    assert dataset.votes is not None
    assert dataset.votes.tolist() == [votes_of(i) for i in range(21) if i != 4]


def test_votes_of_images_are_found_by_the_order_file(kaggle_zip, tmp_path):
    write_votes(tmp_path / "fer2013new.csv")
    write_order(tmp_path / "fer2013_order.csv", image_names())
    dataset = load(kaggle_zip)
    assert dataset.votes is not None
    row_of = {name: i for i, name in enumerate(image_names())}
    assert dataset.votes.tolist() == [votes_of(row_of[str(name)]) for name in dataset.ids]


def test_votes_inside_an_unpacked_folder_are_found_too(tmp_path):
    files = {f"archive/{name}": png(i) for i, name in enumerate(image_names())}
    folder = write_folder(tmp_path / "data", files)
    write_votes(folder / "fer2013new.csv")
    write_order(folder / "fer2013_order.csv", image_names())
    dataset = load(folder)
    assert dataset.votes is not None
    assert dataset.votes.sum() == 210


def test_an_image_without_a_row_gets_no_votes(tmp_path):
    names = image_names()
    path = write_zip(
        tmp_path / "a.zip", {**{n: png(i) for i, n in enumerate(names)}, "train/sad/Training_new.png": png(99)}
    )
    write_votes(tmp_path / "fer2013new.csv")
    write_order(tmp_path / "fer2013_order.csv", names)
    dataset = load(path)
    assert dataset.votes is not None
    assert dataset.votes[dataset.ids.tolist().index("train/sad/Training_new.png")].sum() == 0
    assert dataset.votes.sum() == 210


def test_images_of_fer2013_with_votes_but_no_order_get_a_hint(kaggle_zip, tmp_path):
    votes = write_votes(tmp_path / "fer2013new.csv")
    dataset = load(kaggle_zip)
    assert dataset.votes is None
    assert "fer2013_order.csv (the row of each file) beside" in dataset.warnings[0]
    with pytest.raises(DataError, match=r"fer2013_order.csv"):
        load(kaggle_zip, votes=votes)


def test_other_images_beside_votes_are_left_alone(tmp_path):
    write_votes(tmp_path / "fer2013new.csv")
    dataset = load(
        write_zip(tmp_path / "mine.zip", {f"{label}/1.png": png(i) for i, label in enumerate(ClassList.fer2013())})
    )
    assert dataset.votes is None
    assert dataset.warnings == ()


def test_votes_with_another_number_of_rows_are_not_used(csv, tmp_path):
    votes = write_votes(tmp_path / "fer2013new.csv", count=20)
    dataset = load(csv)
    assert dataset.votes is None
    assert "fer2013new.csv has 20 rows and the csv has 21" in dataset.warnings[0]
    with pytest.raises(DataError, match="has 20 rows and the csv has 21"):
        load(csv, votes=votes)


def test_votes_in_another_order_are_not_used(tmp_path):
    table = rows(21)
    csv = write_csv(tmp_path / "a.csv", table[7:] + table[:7])
    votes = write_votes(tmp_path / "fer2013new.csv")
    assert load(csv).votes is None
    with pytest.raises(DataError, match="another split"):
        load(csv, votes=votes)


def test_an_order_that_leads_beyond_the_votes_is_not_used(kaggle_zip, tmp_path):
    write_votes(tmp_path / "fer2013new.csv", count=14)
    write_order(tmp_path / "fer2013_order.csv", image_names())
    assert load(kaggle_zip).votes is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must start with the line"),
        ("Usage,neutral\nTraining,1\n", "must start with the line 'Usage,Image name,neutral"),
        (HEADER + "\n", "contains no votes"),
        (HEADER + "\nTraining,a,1,2\n", "row 0 has 4 columns instead of 12"),
        (HEADER + "\nTraining,a" + ",1" * 9 + ",x\n", "row 0 must have a usage, a name and ten vote counts"),
        (HEADER + "\nTraining,a" + ",1" * 9 + ",-1\n", "row 0 must have"),
        (HEADER + "\nTraining,a" + ",1" * 9 + ",99999\n", "row 0 must have"),
        (HEADER + "\nTuesday,a" + ",1" * 10 + "\n", "row 0 must have"),
        ("\udcff", "not a readable csv"),
    ],
)
def test_damaged_votes_are_refused_when_named_and_said_when_found(csv, tmp_path, content, message):
    votes = tmp_path / "fer2013new.csv"
    votes.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message):
        load(csv, votes=votes)
    dataset = load(csv)
    assert dataset.votes is None
    assert dataset.warnings[0].startswith("The FER+ votes beside the source were not used")


def test_votes_that_are_not_there_are_refused(csv, tmp_path):
    with pytest.raises(DataError, match="No file of votes"):
        load(csv, votes=tmp_path / "gone.csv")
    with pytest.raises(DataError, match="no votes on synthetic faces"):
        load("synthetic:70", votes=csv)


@pytest.mark.parametrize("line", ["x,Training,0,a.jpg,1", "0,Training,happy,a.jpg,1", "0,Training,0,a.jpg"])
def test_a_damaged_order_is_refused(tmp_path, line):
    path = tmp_path / "fer2013_order.csv"
    path.write_text(f"row,usage,emotion,file,exact\n{line}\n")
    with pytest.raises(DataError, match="row 0"):
        read_order(path)


def test_an_order_that_names_a_file_twice_is_refused(tmp_path):
    path = tmp_path / "fer2013_order.csv"
    path.write_text(
        "row,usage,emotion,file,exact\n0,Training,0,train/angry/a.jpg,1\n1,Training,0,train/angry/a.jpg,1\n"
    )
    with pytest.raises(DataError, match="row 1 repeats a file name"):
        read_order(path)


@pytest.mark.real_data
def test_the_votes_of_fer2013_say_what_is_known_of_them(fer2013, fer2013_zip):
    votes = fer2013.votes
    assert votes is not None
    splits, table = read_votes(fer2013_zip.parent / "fer2013new.csv")
    assert (votes.sum(axis=0) == table.sum(axis=0)).all()  # every face has its row, and no row is used twice
    assert len(splits) == len(fer2013)
    no_face = votes[:, FERPLUS_COLUMNS.index("NF")] == 10
    assert [int(no_face[fer2013.split == split].sum()) for split in ("train", "valid", "test")] == [150, 10, 16]
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    columns = np.array([FERPLUS_COLUMNS.index(name) for name in names])
    plurality = votes.argmax(axis=1)
    agree = (plurality == columns[fer2013.labels]).mean()
    assert agree == pytest.approx(0.63, abs=0.01)
    assert (votes.max(axis=1) / votes.sum(axis=1)).mean() == pytest.approx(0.74, abs=0.01)
