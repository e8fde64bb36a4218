from __future__ import annotations

import zipfile

import numpy as np
import pytest

from fer_core.data import load
from fer_core.data.sources.tables import face_csv
from fer_core.errors import DataError
from tests.paths import PROJECT_ROOT
from tests.source_factory import face, pixels_of, png, rows, write_csv, write_folder, write_zip

GOOD = pixels_of(face(0))


def test_fer2013_csv_is_read_row_by_row(tmp_path):
    dataset = load(write_csv(tmp_path / "fer2013.csv", rows(21)))
    assert dataset.name == "fer2013.csv"
    assert dataset.counts() == {"train": 7, "valid": 7, "test": 7}
    assert dataset.labels.tolist() == [i % 7 for i in range(21)]
    assert dataset.ids.tolist() == [f"row {i}" for i in range(21)]
    assert all((image == face(i)).all() for i, image in enumerate(dataset.images))
    assert dataset.warnings == ()
    assert dataset.votes is None


@pytest.mark.parametrize(
    ("header", "order", "end"),
    [
        ("emotion, Usage, pixels", (0, 2, 1), "\n"),  # icml_face_data.csv
        ("  EMOTION ,Pixels,USAGE", (0, 1, 2), "\r\n"),
        ("\ufeffemotion,pixels,Usage", (0, 1, 2), "\n"),
        ("Usage,pixels,emotion", (2, 1, 0), "\n"),
    ],
)
def test_variants_of_the_header_give_the_same_faces(tmp_path, header, order, end):
    reordered = [tuple(row[i] for i in order) for row in rows(14)]
    one = load(write_csv(tmp_path / "a.csv", reordered, header, end))
    assert one.fingerprint == load(write_csv(tmp_path / "b.csv", rows(14))).fingerprint


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_understood(tmp_path, delimiter):
    path = write_csv(tmp_path / "a.csv", rows(14))
    expected = load(path).fingerprint
    path.write_text(path.read_text().replace(",", delimiter))
    assert load(path).fingerprint == expected


def test_quoted_pixels_named_labels_and_empty_lines_are_understood(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f'emotion,pixels,Usage\n\nhappiness,"{GOOD}",Training\n\n4,"{GOOD}",PublicTest\n')
    dataset = load(path)
    assert [dataset.label_name(i) for i in range(2)] == ["happy", "sad"]
    assert dataset.ids.tolist() == ["row 0", "row 1"]


def test_the_homework_csv_has_no_usage_so_everything_trains(tmp_path):
    dataset = load(write_csv(tmp_path / "train.csv", rows(14), header="label,feature"))
    assert dataset.counts() == {"train": 14, "valid": 0, "test": 0}
    assert dataset.warnings == ("The csv has no column Usage: all its faces count as train.",)


def test_a_csv_without_an_ending_is_told_by_its_content(tmp_path):
    assert len(load(write_csv(tmp_path / "faces", rows(7)))) == 7


@pytest.mark.parametrize(
    ("label", "pixels"),
    [
        (str, lambda values: f'"{list(values)}"'),
        (str, lambda values: f'"{np.array2string(values, threshold=9999, max_line_width=70)}"'),
        (str, lambda values: f'"{", ".join(map(str, values))}"'),
        (str, lambda values: " ".join(f"{v}.0" for v in values)),
        (str, lambda values: f'"{[float(v) for v in values]}"'),
        (lambda i: f"{i}.0", lambda values: " ".join(map(str, values))),
    ],
    ids=["list", "array", "commas", "floats", "list of floats", "float labels"],
)
def test_cells_as_pandas_writes_them_give_the_same_faces(tmp_path, label, pixels):
    table = [(label(i % 7), pixels(face(i).ravel()), "Training") for i in range(7)]
    dataset = load(write_csv(tmp_path / "pandas.csv", table))
    assert dataset.labels.tolist() == list(range(7))
    assert all((image == face(i)).all() for i, image in enumerate(dataset.images))


def test_an_index_column_of_pandas_is_ignored(tmp_path):
    table = [(i, i % 7, pixels_of(face(i))) for i in range(7)]
    assert load(write_csv(tmp_path / "index.csv", table, ",emotion,pixels")).labels.tolist() == list(range(7))


def test_an_abbreviated_array_is_named_as_what_it_is(tmp_path):
    table = [(0, f'"{np.array2string(face(0).ravel())}"', "Training"), *rows(7)]
    with pytest.raises(DataError, match=r"row 0 \(line 9?.*has abbreviated pixels"):
        load(write_csv(tmp_path / "short.csv", table))


@pytest.mark.parametrize("name", ["csv_brackets.csv", "csv_label_float.csv", "csv_pixels_float.csv"])
def test_the_csvs_of_the_bug_reports_are_the_same_faces(name):
    folder = PROJECT_ROOT.parent / "shared" / "bugs"
    if not folder.is_dir():
        pytest.skip("the files of the bug reports are not beside this checkout")
    dataset, plain = load(folder / name), load(folder / "csv_brackets.csv")
    assert len(dataset) == 7
    assert (dataset.images == plain.images).all()
    assert (dataset.labels == plain.labels).all()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((8, GOOD, "Training"), "label '8', expected 0…7"),
        ((-1, GOOD, "Training"), "label '-1'"),
        (("", GOOD, "Training"), "label ''"),
        (("1.5", GOOD, "Training"), "label '1.5'"),
        (("sulky", GOOD, "Training"), "label 'sulky'"),
        ((0, GOOD + " 7", "Training"), "2,305 pixels instead of 2,304"),
        ((0, GOOD.rsplit(" ", 1)[0], "Training"), "2,303 pixels instead of 2,304"),
        ((0, "", "Training"), "0 pixels instead of 2,304"),
        ((0, "256 " + GOOD.split(" ", 1)[1], "Training"), "a pixel of 256, outside 0…255"),
        ((0, "-1 " + GOOD.split(" ", 1)[1], "Training"), "a pixel of -1, outside"),
        ((0, "4294967296 " + GOOD.split(" ", 1)[1], "Training"), "a pixel of 4294967296, outside"),
        ((0, "9" * 30 + " " + GOOD.split(" ", 1)[1], "Training"), "outside 0…255"),
        ((0, "1.5 " + GOOD.split(" ", 1)[1], "Training"), "not whole numbers"),
        ((0, "x " + GOOD.split(" ", 1)[1], "Training"), "not whole numbers"),
        ((0, "nan " + GOOD.split(" ", 1)[1], "Training"), "not whole numbers"),
        ((0, GOOD, "Tuesday"), "usage 'Tuesday', expected Training, PublicTest or PrivateTest"),
        ((0, GOOD, "Training,extra"), "4 columns instead of 3"),
    ],
)
def test_a_wrong_row_is_named_with_its_fault_and_skipped_only_when_asked(tmp_path, workspace, row, reason):
    path = write_csv(tmp_path / "a.csv", [*rows(7), row, *rows(7)])
    with pytest.raises(DataError) as caught:
        load(path)
    assert "1 of 15 faces cannot be read: row 7 (line 9)" in str(caught.value)
    assert reason in str(caught.value)
    assert not workspace.root.exists()
    dataset = load(path, skip_unreadable=True)
    assert len(dataset) == 14
    assert "row 7" not in dataset.ids.tolist()
    assert dataset.ids.tolist()[7] == "row 8"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"emotion,pixels,Usage\n", "has no rows"),
        (b"emotion,pixels,Usage\n\n\n", "has no rows"),
        (b"emotion,Usage\n0,Training\n", r"one of pixels \(pixels or feature\), but it is 'emotion,Usage'"),
        (b"id,feature\n0,1 2 3\n", r"a column of labels \(emotion or label\).*it is 'id,feature'"),
        (b"0,70 80 82,Training\n", "Its first line must name"),
        (b"Usage,Image name,neutral\n", "give fer2013.csv as the source and this file as its votes"),
        (b"hello world\n", "Its first line must name"),
        (b"\xff\xfee\0m\0", "UTF-16"),
        (b"\x00\x01\x02\x03", "has an unknown format"),
        (b"emotion,pixels\n0," + b"1" * 70_000, "line 2 is longer than 65,536"),
        (b'emotion,pixels\n0,"' + b"1\n" * 100_000, "cannot be read|longer"),
    ],
)
def test_a_csv_that_holds_no_faces_is_refused(tmp_path, content, message, workspace):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(path)
    assert not workspace.root.exists()


def test_a_csv_with_too_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(face_csv, "MAX_FACES", 10)
    with pytest.raises(DataError, match="more than 10 rows"):
        load(write_csv(tmp_path / "a.csv", rows(11)))


def test_progress_ends_at_the_number_of_rows(tmp_path):
    calls: list[tuple[int, int]] = []
    load(write_csv(tmp_path / "a.csv", rows(7) * 70), on_progress=lambda *call: calls.append(call))
    assert [done for done, _ in calls] == [200, 400, 490]
    assert all(total >= done for done, total in calls)
    assert abs(calls[0][1] - 490) < 50
    assert calls[-1] == (490, 490)


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_csv_in_a_zip_or_folder_is_found_by_its_first_line(tmp_path, form):
    plain = write_csv(tmp_path / "plain.csv", rows(21)).read_bytes()
    homework = write_csv(tmp_path / "homework.csv", rows(50), header="label,feature").read_bytes()
    files = {
        "challenge/icml_face_data.csv": plain,
        "challenge/train.csv": homework,
        "challenge/README": b"hi",
        "test.csv": b"id,x\n",
    }
    source = (
        write_zip(tmp_path / "challenge.zip", files, zipfile.ZIP_DEFLATED)
        if form == "zip"
        else write_folder(tmp_path / "challenge", files)
    )
    dataset = load(source)
    assert dataset.counts() == {"train": 7, "valid": 7, "test": 7}
    assert dataset.fingerprint == load(tmp_path / "plain.csv").fingerprint
    assert dataset.warnings == ("challenge/icml_face_data.csv was read, not challenge/train.csv.",)


def test_images_go_before_a_csv_beside_them(tmp_path):
    table = write_csv(tmp_path / "a.csv", rows(7)).read_bytes()
    files = {f"train/{label}/1.png": png(i) for i, label in enumerate(("happy", "sad"))}
    dataset = load(write_zip(tmp_path / "both.zip", {**files, "fer2013.csv": table}))
    assert len(dataset) == 2
    assert "The images were read, not fer2013.csv." in dataset.warnings


def test_reading_agrees_with_a_slow_plain_reading(tmp_path):
    path = write_csv(tmp_path / "a.csv", rows(21))
    dataset = load(path)
    lines = path.read_text().splitlines()[1:]
    for i, line in enumerate(lines):
        label, pixels, usage = line.split(",")
        assert dataset.labels[i] == int(label)
        assert dataset.images[i].ravel().tolist() == [int(value) for value in pixels.split()]
        assert dataset.split[i] == {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}[usage]
    assert dataset.images.dtype == np.uint8


def test_a_csv_goes_before_images_in_other_folders_unless_folders_are_asked_for(tmp_path):
    table = write_csv(tmp_path / "a.csv", rows(7)).read_bytes()
    source = write_folder(tmp_path / "both", {"on/1.png": png(1), "off/1.png": png(2), "fer2013.csv": table})
    dataset = load(source)
    assert len(dataset) == 7
    assert dataset.warnings == ("fer2013.csv was read, not the images beside it.",)
    dataset = load(source, classes="folders")
    assert dataset.classes.names == ("off", "on")
    assert dataset.warnings == ("The images were read, not fer2013.csv.",)
    source = write_folder(tmp_path / "figures", {"plots/1.png": png(1), "fer2013.csv": table})
    (warning,) = load(source).warnings
    assert warning.startswith("The images beside fer2013.csv are not a data set")
