from __future__ import annotations

import csv
from codecs import BOM_UTF8

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.errors import ImageError, WorkspaceError
from fer_core.faces import Face, Square
from fer_core.photos import FacePrediction, PhotoResult
from fer_core.photos.table import ResultTable, table_bytes

LABELS = ("angry", "calm")


def prediction(x: float = 10.0, p: float = 0.25, hand: bool = False) -> FacePrediction:
    face = None if hand else Face((x, -5.0, 20.0, 30.0), 0.75, np.zeros((5, 2), np.float32))
    return FacePrediction(
        Square(3, 4, 20),
        np.zeros((48, 48), np.uint8),
        ClassList(LABELS),
        np.array([p, 1 - p], np.float32),
        p > 0.4,
        face,
    )


RESULTS = [
    PhotoResult('quote " comma , line\nbreak\rreturn.jpg', 100, 80, (prediction(), prediction(50, 0.45))),
    PhotoResult("=HYPERLINK(1).png", 100, 80, ()),
    PhotoResult("car\rriage.jpg", 9, 9),
    PhotoResult("ابتسامة.jpg", error="The picture is damaged or truncated."),
    PhotoResult("'apostrophe.jpg", 30, 20, (prediction(hand=True),), ("animated; the first frame is used",)),
]


def write_all(path, results=RESULTS, model="m") -> bytes:
    with ResultTable(path, LABELS, model) as table:
        for result in results:
            if result.file not in table.done:
                table.write(result)
    return path.read_bytes()


def read(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_for_each_face_and_one_for_each_photograph_without(tmp_path):
    write_all(tmp_path / "a.csv")
    rows = read(tmp_path / "a.csv")
    assert [row["face"] for row in rows] == ["1", "2", "", "", "", "1"]
    assert [row["faces"] for row in rows] == ["2", "2", "0", "0", "0", "1"]
    first, second, none, _, broken, hand = rows
    assert (first["x"], first["y"], first["w"], first["h"]) == ("10.0", "0.0", "20.0", "25.0")  # cut at the upper edge
    assert (first["score"], first["label"], first["abstained"]) == ("0.7500", "calm", "0")
    assert (first["angry"], first["calm"]) == ("0.250000", "0.750000")
    assert second["abstained"] == "1"
    assert (none["label"], none["error"]) == ("", "")
    assert broken["error"] == "The picture is damaged or truncated."
    assert (hand["score"], hand["notes"], hand["model"]) == ("", "animated; the first frame is used", "m")


def test_the_table_in_memory_is_the_one_on_disk(tmp_path):
    assert table_bytes(RESULTS, LABELS, "m") == write_all(tmp_path / "a.csv")


def test_names_that_a_spreadsheet_would_run_are_guarded_and_come_back(tmp_path):
    path = tmp_path / "a.csv"
    write_all(path)
    assert read(path)[2]["file"] == "'=HYPERLINK(1).png"
    assert {result.file for result in RESULTS} == ResultTable(path, LABELS, "m").done


def test_labels_of_a_foreign_checkpoint_are_guarded_too(tmp_path):
    path = tmp_path / "a.csv"
    with ResultTable(path, ("=cmd()", "calm")):
        pass
    assert b",=cmd" not in path.read_bytes()
    assert b",'=cmd()," in path.read_bytes()


def test_a_table_cut_at_any_byte_is_repaired_and_completed_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)  # the disk need not turn for each of a thousand files
    path = tmp_path / "a.csv"
    whole = write_all(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert write_all(path) == whole, length


def test_zeros_at_the_end_as_a_power_cut_leaves_them_are_repaired(tmp_path):
    path = tmp_path / "a.csv"
    whole = write_all(path)
    path.write_bytes(whole + b"\0" * 100)
    assert write_all(path) == whole


def test_a_finished_table_is_left_byte_for_byte(tmp_path):
    path = tmp_path / "a.csv"
    whole = write_all(path)
    before = path.stat().st_mtime_ns
    assert write_all(path) == whole
    assert path.stat().st_mtime_ns == before


def test_nothing_is_written_before_the_with_block(tmp_path):
    path = tmp_path / "new folder" / "a.csv"
    table = ResultTable(path, LABELS)
    assert not path.parent.exists()
    with table:
        assert path.read_text(encoding="utf-8").startswith(
            "\ufefffile,model,width,height,faces,face,x,y,w,h,score,label,abstained,angry,calm,"
        )


@pytest.mark.parametrize(
    "content",
    [b"name,age\nA,1\n", b"\xff\xd8\xff\xe0 a photograph", b"file,model\n", b"\0" * 50],
    ids=["other csv", "jpeg", "shorter header", "zeros"],
)
def test_another_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="not a table of this command"):
        ResultTable(path, LABELS)
    assert path.read_bytes() == content


def test_a_table_of_another_model_or_of_other_labels_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "a.csv"
    whole = write_all(path, model="seed")
    with pytest.raises(ImageError, match="results of the model 'seed', not of 'compact'"):
        ResultTable(path, LABELS, "compact")
    with pytest.raises(ImageError, match="these classes"):
        ResultTable(path, ("angry", "other"), "seed")
    assert path.read_bytes() == whole


def test_a_table_damaged_in_its_middle_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "a.csv"
    lines = write_all(path).splitlines(keepends=True)
    damaged = b"".join([lines[0], b"some,thing,else\r\n", *lines[1:]])
    path.write_bytes(damaged)
    with pytest.raises(ImageError, match="damaged in the middle"):
        ResultTable(path, LABELS, "m")
    assert path.read_bytes() == damaged


def test_a_place_that_cannot_be_written_is_named_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match="cannot be read"):
        ResultTable(tmp_path, LABELS)
    with (
        pytest.raises((WorkspaceError, ImageError), match="cannot be"),
        ResultTable(tmp_path / "file" / "a.csv", LABELS),
    ):
        pass


def test_a_full_disk_says_so_and_keeps_what_was_written(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    with ResultTable(path, LABELS, "m") as table:
        table.write(RESULTS[0])

        class Full:
            def write(self, _: bytes) -> int:
                raise OSError(28, "No space left on device")

            def close(self) -> None:
                pass

        table._file.close()
        monkeypatch.setattr(table, "_file", Full())
        with pytest.raises(WorkspaceError, match="No space left on device"):
            table.write(RESULTS[1])
    assert ResultTable(path, LABELS, "m").done == {RESULTS[0].file}


def test_a_table_at_another_sensitivity_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "t.csv"
    with ResultTable(path, LABELS, "m", 0.3) as table:
        table.write(RESULTS[0])
    content = path.read_bytes()
    with path.open(newline="") as file:
        assert {row["sensitivity"] for row in csv.DictReader(file)} == {"0.3"}
    with pytest.raises(ImageError, match=r"at sensitivity 0\.3, not 0\.5"):
        ResultTable(path, LABELS, "m", 0.5)
    assert path.read_bytes() == content


def test_a_table_of_the_first_version_is_continued_at_sensitivity_0(tmp_path):
    path, whole = tmp_path / "t.csv", tmp_path / "w.csv"
    with ResultTable(whole, LABELS, "m") as table:
        for result in RESULTS:
            table.write(result)
    with whole.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([row[:-1] for row in rows])
    with pytest.raises(ImageError, match="at sensitivity 0, not"):
        ResultTable(path, LABELS, "m", 0.5)
    table = ResultTable(path, LABELS, "m")
    assert table.done == {result.file for result in RESULTS}
    with table:
        pass
    assert path.read_bytes() == whole.read_bytes()


def test_a_table_of_an_earlier_version_without_a_byte_order_mark_is_continued_and_gets_one(tmp_path):
    path = tmp_path / "t.csv"
    whole = write_all(path)
    path.write_bytes(whole.removeprefix(BOM_UTF8))
    with ResultTable(path, LABELS, "m") as table:
        assert len(table.done) == len(RESULTS)
    assert path.read_bytes() == whole
