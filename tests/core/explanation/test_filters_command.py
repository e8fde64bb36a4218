"""The command ``filters``."""

from __future__ import annotations

import json
from functools import partial

import cv2
import pytest

from fer_core.cli import main
from fer_core.data import reading
from fer_core.explanation import filters
from fer_core.explanation.filters import AscentSettings
from tests.factories import make_dataset, untrained_checkpoint


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Three steps instead of eighty, and 280 faces."""
    monkeypatch.setattr(filters, "AscentSettings", partial(AscentSettings, steps=3))
    monkeypatch.setattr(reading, "load", lambda source, **_: make_dataset(name=source))


def test_the_sheet_is_written_and_the_document_names_the_faces(tmp_path, capsys):
    model, sheet = untrained_checkpoint(tmp_path / "m.safetensors"), tmp_path / "sheet.png"
    command = ["filters", str(model), "--layer", "block1.0", "-o", str(sheet), "--data", "synthetic", "--json"]
    assert main(command) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["layer"], record["n"], record["dead"], len(record["filters"])) == ("block1.0", 70, 0, 32)
    entry = record["filters"][5]
    assert entry["filter"] == 5
    assert len(entry["faces"]) == 9
    assert entry["faces"][0]["id"].startswith("face ")
    assert cv2.imread(str(sheet), cv2.IMREAD_GRAYSCALE).shape == (2 * 118 + 6, 16 * 102 + 6)


def test_people_get_a_line_for_each_filter(tmp_path, capsys):
    model = untrained_checkpoint(tmp_path / "m.safetensors", "compact")
    assert main(["filters", str(model), "--layer", "stem.0"]) == 0
    out = capsys.readouterr().out
    assert "32 filters of stem.0, none is dead." in out
    rows = [line.split() for line in out.splitlines()]  # the sentence begins with their number
    assert [row[0] for row in rows if row and row[0].isdecimal()][1:] == [str(n) for n in range(32)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layer", "conv9"], "no convolutional layer 'conv9'"),
        (["-o", "sheet.txt"], "does not have an image extension"),
        (["--data", "synthetic", "--split", "dev"], "'dev' is not a split"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(tmp_path, capsys, options, words):
    assert main(["filters", str(untrained_checkpoint(tmp_path / "m.safetensors")), *options]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
