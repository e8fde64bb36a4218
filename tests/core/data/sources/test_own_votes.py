from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_core.data import load
from fer_core.data.sources.own_votes import read_table
from fer_core.errors import DataError
from tests.source_factory import face, pixels_of, png, tree, write_csv, write_folder, write_zip

FILES = {f"train/{what}/{i}.png": png(10 * k + i) for k, what in enumerate(("on", "off")) for i in range(2)}
VOTES = "file,on,unknown,off\ntrain/on/0.png,7,1,2\non/1.png,6,0,4\noff/0.png,0,0,10\noff/1.png,1,8,1\n"
TABLE = [[0, 0, 10], [1, 8, 1], [7, 1, 2], [6, 0, 4]]
"""The rows in the order of the faces: off/0, off/1, on/0, on/1."""


@pytest.fixture
def source(tmp_path) -> Path:
    return write_folder(tmp_path / "in" / "faces", FILES)


def write_votes(source: Path, text: str = VOTES) -> Path:
    path = source.parent / "votes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_votes_beside_the_data_are_attached_by_name(source):
    write_votes(source)
    for _ in range(2):  # the second time from the cache
        dataset = load(source)
        assert dataset.votes is not None
        assert dataset.vote_columns == ("on", "unknown", "off")
        assert dataset.votes.tolist() == TABLE
        assert dataset.warnings == ()


@pytest.mark.parametrize("place", ["", "archive/"])
def test_votes_inside_a_folder_or_zip_are_found(tmp_path, place):
    files = {f"{place}{name}": content for name, content in FILES.items()}
    files[f"{place}votes.csv"] = VOTES.replace("train/on/0.png", "on/0.png").encode()
    for path in (write_folder(tmp_path / "faces", files), write_zip(tmp_path / "faces.zip", files)):
        dataset = load(path)
        assert dataset.votes is not None
        assert dataset.votes.tolist() == TABLE
        assert dataset.warnings == ()
        write_votes(path, VOTES.replace("7,1,2", "0,0,0"))
        again = load(path)
        assert again.votes is not None
        assert again.votes.tolist() == TABLE  # those inside go first


def test_changed_votes_are_read_again(tmp_path):
    path = write_folder(tmp_path / "faces", {**FILES, "votes.csv": VOTES.encode()})
    load(path)
    (path / "votes.csv").write_text(VOTES.replace("7,1,2", "8,0,2"))
    votes = load(path).votes
    assert votes is not None
    assert votes[2].tolist() == [8, 0, 2]


def test_votes_can_lie_anywhere_when_they_are_named(source, tmp_path):
    elsewhere = tmp_path / "x.txt"
    elsewhere.write_text(VOTES.replace(",", ";"), encoding="utf-8-sig")
    votes = load(source, votes=elsewhere).votes
    assert votes is not None
    assert votes.tolist() == TABLE
    assert load(source).votes is None


def test_rows_of_a_csv_are_named_by_their_number(tmp_path):
    source = write_csv(
        tmp_path / "faces.csv", [(w, pixels_of(face(i)), "Training") for i, w in enumerate(("on", "off"))]
    )
    write_votes(source, "file,off,on\nrow 1,3,0\nrow 0,1,2\n")
    votes = load(source).votes
    assert votes is not None
    assert votes.tolist() == [[1, 2], [3, 0]]


def test_columns_meet_classes_by_any_name_of_an_emotion(tmp_path):
    source = write_folder(tmp_path / "in" / "faces", tree(splits=["train"]))
    write_votes(source, "file,Happiness,sadness\nhappy/0.png,3,0\n")
    dataset = load(source)
    assert dataset.vote_columns == ("Happiness", "sadness")
    assert dataset.warnings == (
        "votes.csv has no column for 'angry', 'disgust', 'fear' and 2 more.",
        "votes.csv has votes for 1 of 7 faces.",
    )


def test_faces_without_a_row_get_zeros_and_are_counted(source):
    write_votes(source, "file,on,off\non/1.png,6,4\noff/1.png,0,0\n")
    dataset = load(source)
    assert dataset.votes is not None
    assert dataset.votes.tolist() == [[0, 0], [0, 0], [0, 0], [6, 4]]
    assert dataset.warnings == ("votes.csv has votes for 1 of 4 faces.",)


def test_votes_on_faces_that_were_skipped_or_left_out_are_no_fault(tmp_path):
    files = {**FILES, "train/on/2.png": b"", "cover.png": png(99)}
    source = write_folder(tmp_path / "in" / "faces", files)
    votes = write_votes(source, VOTES + "on/2.png,1,1,1\ncover.png,1,1,1\n")
    assert load(source, votes=votes, skip_unreadable=True).votes is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must start with a line such as 'file,happy,sad'"),
        ("name,on\na,1\n", "must start with a line such as"),
        ("file\na\n", "must start with a line such as"),
        ("file,on,off\n", "contains no votes"),
        ("file,on,\non/1.png,1,1\n", "each column needs a name"),
        ("file,on,ON\non/1.png,1,1\n", "two columns with the same name: 'on' and 'ON'"),
        ("file,on,off\non/1.png,1\n", r"votes.csv: line 2 has 2 columns instead of 3"),
        ("file,on,off\n\non/1.png,1,-1\n", r"line 3 has '-1' as a number of votes; expected a whole number from 0"),
        ("file,on,off\non/1.png,1,0.5\n", "has '0.5' as"),
        ("file,on,off\non/1.png,1,\n", "has '' as"),
        ("file,on,off\non/1.png,1,99999999\n", "has '99999999' as"),
        ("file,left,right\non/1.png,1,1\n", r"no column for a class of the data set. Columns: 'left', 'right'; cl"),
        (
            "file,on,off\ngone.png,1,1\nx/y.png,1,1\n",
            "names 2 unknown files: 'gone.png', 'x/y.png'",
        ),
        ("file,on,off\nn/1.png,1,1\n", "names 1 unknown files: 'n/1.png'"),
        (
            "file,on,off\n1.png,1,1\n",
            r"the name '1.png' matches 2 faces. Add its folders, e.g. 'train/off/1",
        ),
        ("file,on,off\non/1.png,1,1\ntrain/on/1.png,1,1\n", "two rows for 'train/on/1.png'"),
        ("file,on,off\n\udcff,1,1\n", "is not a readable csv in UTF-8"),
    ],
)
def test_faulty_votes_are_refused_when_named_and_said_when_found(source, text, message):
    votes = source.parent / "votes.csv"
    votes.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message):
        load(source, votes=votes)
    dataset = load(source)
    assert dataset.votes is None
    (warning,) = dataset.warnings
    assert warning.startswith("The votes beside the source were not used: votes.csv")


def test_two_columns_of_one_class_are_refused(tmp_path):
    source = write_folder(tmp_path / "in" / "faces", tree(splits=["train"]))
    votes = write_votes(source, "file,happy,joy\nhappy/0.png,3,0\n")
    with pytest.raises(DataError, match="the columns 'happy' and 'joy' both mean the class happy"):
        load(source, votes=votes)


def test_names_in_another_unicode_form_and_with_backslashes_are_found(tmp_path):
    source = write_folder(tmp_path / "in" / "faces", {"caf\u00e9/1.png": png(1), "off/1.png": png(2)})
    votes = write_votes(source, "file,cafe\u0301,off\ncafe\u0301\\1.png,2,0\n./off/1.png,0,1\n")
    counts = load(source, votes=votes).votes
    assert counts is not None
    assert counts.tolist() == [[2, 0], [0, 1]]


def test_ferplus_goes_before_votes_beside_the_source_but_only_for_fer2013(source, tmp_path):
    write_votes(source)
    (source.parent / "fer2013new.csv").write_text("Usage,Image name\n")
    dataset = load(source)
    assert dataset.vote_columns == ("on", "unknown", "off")
    assert dataset.warnings == ()


def test_the_table_is_read_as_it_stands():
    columns, table = read_table(b'\xef\xbb\xbffile;on;"a b"\n"x;y.png"; 3 ;0\n;;\n', "v")
    assert columns == ("on", "a b")
    assert table == [("x;y.png", [3, 0])]


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_votes_on_any_number_of_classes(tmp_path, count):
    names = [f"class {i:02}" for i in range(count)]
    source = write_folder(tmp_path / "in" / "faces", {f"{name}/1.png": png(i) for i, name in enumerate(names)})
    expected = np.eye(count, dtype=np.int64) * 2
    lines = [f"{name}/1.png,{','.join(map(str, row))}" for name, row in zip(names, expected.tolist(), strict=True)]
    write_votes(source, "\n".join([f"file,{','.join(names)}", *lines]))
    votes = load(source).votes
    assert votes is not None
    assert (votes == expected).all()
