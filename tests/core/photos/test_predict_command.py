from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from fer_core import cli
from fer_core.classes import ClassList
from fer_core.inference import default_model
from tests.core.faces.conftest import encode, scene
from tests.factories import untrained_checkpoint
from tests.source_factory import heic

SEVEN = ClassList.fer2013().names


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    (place / "one.png").write_bytes(encode(scene((200, 100, 200))))
    (place / "two.png").write_bytes(encode(scene((30, 100, 200), (380, 150, 180))))
    (place / "wall.png").write_bytes(encode(np.full((100, 100, 3), 90, np.uint8)))
    (place / "text.jpg").write_text("no photograph\n" * 30)
    return place


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = cli.main(["predict", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_is_one_document_on_stdout(capsys, folder, checkpoint):
    code, out, _ = run(capsys, folder, "--model", checkpoint, "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["model"], document["classes"]) == (str(checkpoint), list(SEVEN))
    assert document["sensitivity"] is None
    assert document["engine"]["name"] == "torch"
    records = {record["file"].rsplit("/", 1)[1]: record for record in json.loads(out)["photos"]}
    assert list(records) == ["one.png", "text.jpg", "two.png", "wall.png"]
    assert {name: len(record["faces"]) for name, record in records.items()} == {
        "one.png": 1, "text.jpg": 0, "two.png": 2, "wall.png": 0,
    }  # fmt: skip
    assert [name for name, record in records.items() if "error" in record] == ["text.jpg"]
    assert tuple(records["one.png"]["faces"][0]["probabilities"]) == SEVEN


def test_a_heic_of_a_phone_held_upright_is_read_like_any_other(capsys, tmp_path, checkpoint):
    upright = scene((200, 100, 200), width=480, height=640)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side, to be turned clockwise
    (tmp_path / "IMG_0001.HEIC").write_bytes(heic(np.ascontiguousarray(np.rot90(upright)), exif=exif.tobytes()))
    (tmp_path / "IMG_0002.HEIC").write_bytes(heic(upright)[:-200])
    code, out, _ = run(capsys, tmp_path, "--model", checkpoint, "--json")
    assert code == 0
    read, cut = json.loads(out)["photos"]
    assert (read["width"], read["height"]) == (480, 640)
    assert len(read["faces"]) == 1
    assert "damaged or truncated" in cut["error"]


def test_text_for_people_has_one_line_for_each_photograph(capsys, folder, checkpoint):
    code, out, _ = run(capsys, folder, "--model", checkpoint)
    assert code == 0
    one, text, two, wall = out.splitlines()
    assert one.split(": ")[1].split()[0] in SEVEN
    assert "text file" in text
    assert two.split(": ")[1].startswith("1 ")
    assert ", 2 " in two
    assert two.count("(detector ") == 2
    assert wall.endswith("no face found")


def test_a_second_run_continues_the_table(capsys, folder, checkpoint, tmp_path):
    table = tmp_path / "out.csv"
    assert run(capsys, folder / "one.png", "--model", checkpoint, "--csv", table)[0] == 0
    code, out, err = run(capsys, folder, "--model", checkpoint, "--csv", table, "--json")
    assert code == 0
    document = json.loads(out)
    assert [photo["file"].rsplit("/", 1)[1] for photo in document["photos"]] == ["text.jpg", "two.png", "wall.png"]
    assert document["skipped"] == [str(folder / "one.png")]
    assert "1 of 4 photos were already in" in err
    with table.open(newline="", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 5
    code, out, err = run(capsys, folder, "--model", checkpoint, "--csv", table, "--json")
    assert (code, json.loads(out)["photos"], len(json.loads(out)["skipped"])) == (0, [], 4)


@pytest.mark.parametrize("arguments", [["missing.jpg"], ["."], []])
def test_no_picture_is_status_2_and_one_sentence(capsys, checkpoint, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments, "--model", checkpoint, "--csv", "out.csv")
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert not (tmp_path / "out.csv").exists()


def test_when_nothing_could_be_read_the_reasons_are_printed_and_the_status_is_2(capsys, folder, checkpoint):
    code, out, err = run(capsys, folder / "text.jpg", "--model", checkpoint, "--json")
    assert code == 2
    assert "text file" in json.loads(out)["photos"][0]["error"]
    assert err.startswith("error: None of these files")


def test_an_unknown_model_is_status_2(capsys, folder):
    code, out, err = run(capsys, folder, "--model", "nobody")
    assert (code, out) == (2, "")
    assert "There is no model 'nobody'" in err


def test_the_default_model_is_one_rule_that_one_variable_changes(capsys, folder, checkpoint, monkeypatch):
    monkeypatch.delenv("FER_MODEL", raising=False)
    monkeypatch.setattr("fer_core.inference.classifier.shipped_models", lambda: ["compact", "compact-people", "seed"])
    assert default_model() == "compact-people"
    monkeypatch.setattr("fer_core.inference.classifier.shipped_models", lambda: ["compact", "seed"])
    assert default_model() == "compact"
    monkeypatch.setattr("fer_core.inference.classifier.shipped_models", lambda: ["seed"])
    assert default_model() == "seed"
    monkeypatch.setenv("FER_MODEL", str(checkpoint))
    assert default_model() == str(checkpoint)
    code, out, _ = run(capsys, folder / "one.png", "--json")
    assert code == 0
    assert len(json.loads(out)["photos"][0]["faces"]) == 1


@pytest.mark.parametrize("names", [("calm", "=1+1 <b>"), tuple(f"class {i}" for i in range(40))])
def test_a_model_names_its_own_classes(capsys, folder, tmp_path, names):
    model = untrained_checkpoint(tmp_path / "own.safetensors", labels=names)
    code, out, _ = run(capsys, folder / "one.png", "--model", model, "--csv", tmp_path / "t.csv", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["classes"] == list(names)
    assert tuple(document["photos"][0]["faces"][0]["probabilities"]) == names
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8-sig") as file:
        columns = csv.DictReader(file).fieldnames
    assert columns[13:-3] == [f"'{name}" if name.startswith("=") else name for name in names]


def test_a_list_names_the_photos_and_a_missing_one_is_reported_with_the_others(
    capsys, folder, checkpoint, tmp_path, monkeypatch
):
    listed = [folder / "two.png", "", folder / "gone.png", folder / "one.png", folder / ("x" * 300 + ".png")]
    (tmp_path / "list.txt").write_text("\ufeff" + "\n".join(map(str, listed)) + "\n", encoding="utf-8")
    code, out, _ = run(capsys, "--list", tmp_path / "list.txt", "--model", checkpoint, "--json")
    assert code == 0
    records = json.loads(out)["photos"]
    assert [record["file"] for record in records] == [str(path) for path in listed if path]
    assert ["error" in record for record in records] == [False, True, False, True]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{folder / 'one.png'}\n".encode())))
    code, out, _ = run(capsys, folder / "wall.png", "--list", "-", "--model", checkpoint, "--json")
    assert [record["file"].rsplit("/", 1)[1] for record in json.loads(out)["photos"]] == ["wall.png", "one.png"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "has no path"),
        (b" \n\n", "has no path"),
        (b"\xff\xfe\x00a", "not a UTF-8 text file"),
        (b"one.png\0two.png", "not a UTF-8 text file"),
    ],
)
def test_a_list_that_is_none_is_status_2_and_one_sentence(capsys, checkpoint, tmp_path, content, words):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    code, out, err = run(capsys, "--list", tmp_path / "list.txt", "--model", checkpoint, "--csv", tmp_path / "out.csv")
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.csv").exists()
