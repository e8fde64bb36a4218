"""The command ``data``."""

from __future__ import annotations

import json

import pytest

from fer_core.cli import main
from tests.source_factory import png, tree, write_folder, write_zip


def test_json_is_one_document_with_all_that_was_counted(tmp_path, capsys):
    path = write_zip(tmp_path / "faces.zip", tree(2))
    assert main(["data", str(path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["name"] == "faces.zip"
    assert record["counts"] == {"train": 14, "valid": 14, "test": 14}
    assert record["per_class"]["valid"]["fear"] == 2
    assert len(record["fingerprint"]) == 64
    assert record["votes"] is False
    assert record["warnings"] == []
    assert record["seconds"] >= 0


def test_people_get_a_table_with_warnings(tmp_path, capsys):
    path = write_folder(
        tmp_path / "faces", {"happy/1.png": png(1), "sad/1.png": png(2), "sad/2.png": png(3), "test/sad/1.png": png(4)}
    )
    assert main(["data", str(path)]) == 0
    captured = capsys.readouterr()
    out = captured.out
    assert "faces: 4 faces" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["sad", "2", "1", "3"] in lines
    assert ["all", "3", "1", "4"] in lines
    assert captured.err == "warning: The test split has no faces of: happy.\n"


def test_a_missing_source_is_one_sentence_and_status_two(capsys):
    assert main(["data", "nowhere.zip", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: Nothing found at 'nowhere.zip'")
    assert captured.err.count("\n") == 1


def test_broken_images_are_skipped_with_the_option(tmp_path, capsys):
    path = write_folder(tmp_path / "faces", {"happy/1.png": png(1), "happy/2.png": b"", "sad/1.png": png(2)})
    assert main(["data", str(path)]) == 2
    assert "happy/2.png is empty" in capsys.readouterr().err
    assert main(["data", str(path), "--skip-unreadable"]) == 0
    assert "Skipped: 1 of 3" in capsys.readouterr().err


def test_votes_that_do_not_exist_are_refused(tmp_path, capsys):
    path = write_zip(tmp_path / "faces.zip", tree())
    assert main(["data", str(path), "--votes", str(tmp_path / "no.csv")]) == 2
    assert "No file of votes" in capsys.readouterr().err


@pytest.mark.real_data
@pytest.mark.slow
def test_the_real_zip_has_its_known_splits(fer2013_zip, capsys):
    assert main(["data", str(fer2013_zip), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"train": 28709, "valid": 3589, "test": 3589}
