"""Commands work in terminals of any encoding."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_core.cli import _with_plain_paths
from fer_core.cli.output import _replace_unencodable
from fer_core.images import write_image
from tests.paths import PROJECT_ROOT

ENCODINGS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C locale without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def run(arguments: list[str], encoding: dict[str, str], workspace: Path) -> subprocess.CompletedProcess[bytes]:
    removed = ("PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL", "LANG")
    environment = {name: value for name, value in os.environ.items() if name not in removed}
    return subprocess.run(
        [sys.executable, "-m", "fer_core", *arguments],
        capture_output=True,
        cwd=PROJECT_ROOT,
        env={**environment, **encoding, "FER_HOME": str(workspace)},
        check=False,
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    import cv2

    folder = tmp_path / "相册"
    folder.mkdir()
    sample = cv2.imread(str(PROJECT_ROOT / "assets" / "samples" / "two-portraits.jpg"))
    write_image(folder / "照片 é.jpg", cv2.cvtColor(sample, cv2.COLOR_BGR2RGB))
    return folder / "照片 é.jpg"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_no_command_fails_because_of_a_character(encoding, photo, tmp_path):
    table = photo.parent / "表.csv"
    told = run(["predict", str(photo), "--csv", str(table)], encoding, tmp_path / "a")
    assert told.returncode == 0, told.stderr
    assert b"happy" in told.stdout or b"surprise" in told.stdout
    document = json.loads(run(["predict", str(photo), "--json"], encoding, tmp_path / "b").stdout)
    assert document["photos"][0]["faces"]
    if "LC_ALL" not in encoding:  # in the C locale the name arrives as bytes, and is written as their codes
        assert document["photos"][0]["file"] == str(photo)
        with table.open(encoding="utf-8-sig", newline="") as file:
            assert {row["file"] for row in csv.DictReader(file)} == {str(photo)}
    assert run(["data", "synthetic:80"], encoding, tmp_path / "c").returncode == 0
    refused = run(["predict", str(photo.parent / "无.jpg")], encoding, tmp_path / "d")
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"error: ")
    assert b"Traceback" not in refused.stderr


def test_typography_becomes_ascii_and_other_characters_their_codes():
    text = "0.61–0.64 … 照"
    assert text[:9].encode("ascii", "replace").decode() == "0.61?0.64"
    assert "".join(
        c if c.isascii() else _replace_unencodable(UnicodeEncodeError("ascii", c, 0, 1, "no"))[0] for c in text
    ) == "0.61-0.64 ... \\u7167"  # fmt: skip


def test_paths_are_read_as_people_paste_them_and_other_values_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = [
        "predict",
        "'~/a.jpg'",
        "--csv=~/t.csv",
        "--csv",
        "file:///t.csv",
        "--set",
        "'x'",
        "--name='y'",
        "-o",
        "~/o",
    ]
    home = str(tmp_path)
    assert _with_plain_paths(given) == [
        "predict", f"{home}/a.jpg", f"--csv={home}/t.csv", "--csv", "/t.csv", "--set", "'x'", "--name='y'", "-o", f"{home}/o",
    ]  # fmt: skip
