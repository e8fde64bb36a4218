from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core.cli import main
from fer_core.images import write_image
from fer_core.inference import Classifier
from fer_core.teach import TakeStore
from tests.sample_photos import wall
from tests.teach_factory import fill, write_folder

KEYS = {"classes", "takes", "faces", "left_out", "leave_one_take_out", "random_frames", "seconds", "model"}


@pytest.fixture
def folder(tmp_path):
    folder = write_folder(tmp_path / "faces")
    write_image(folder / "happy" / "take 0" / "wall.jpg", wall(640, 480))
    return str(folder)


def test_teach_prints_one_document_and_leaves_a_model_of_that_name(folder, workspace, capsys):
    assert main(["teach", folder, "-o", "mine", "--model", "seed", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= KEYS
    assert (found["classes"], found["takes"], found["faces"]) == (["happy", "surprise"], 4, 12)
    assert found["left_out"] == {"no face": 1}
    low, high = found["leave_one_take_out"]["ci95"]
    assert 0 <= low <= found["leave_one_take_out"]["accuracy"] <= high <= 1
    assert 0 <= found["random_frames"]["accuracy"] <= 1
    assert found["seconds"] > 0
    assert found["model"] == str(workspace.taught / "mine" / "model.safetensors")
    assert Classifier.load("mine", workspace=workspace).labels == ("happy", "surprise")


def test_teach_says_what_was_recorded_and_how_good_it_is(folder, capsys):
    assert main(["teach", folder, "-o", "mine", "--model", "seed"]) == 0
    text = capsys.readouterr().out
    assert "Pictures left out: no face 1." in text
    assert "Leave-one-take-out: " in text
    assert "over 4 takes, n = 12 faces" in text
    assert "use it as --model mine" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}", "-o", "compact"], "a shipped model has it"),
        (["{folder}", "-o", "../mine"], "cannot be the name of a taught model"),
        (["{folder}/nothing", "-o", "mine"], "There is no folder"),
        (["{folder}/happy", "-o", "mine"], "usable face"),
        (["{folder}", "-o", "mine", "--model", "nothing"], "There is no model 'nothing'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, capsys, arguments, message):
    if "/happy" in arguments[0]:  # its folders are two classes without a face
        for take in ("take 0", "take 1"):
            for number in range(3):
                write_image(f"{folder}/happy/{take}/{number}.jpg", wall(640, 480))
    assert main(["teach", *(text.format(folder=folder) for text in arguments)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_takes_are_replaced_only_on_request(folder, workspace, capsys):
    fill(workspace, classes=("sad", "angry"), takes=1, frames=2)
    assert main(["teach", folder, "-o", "mine", "--model", "seed"]) == 2
    assert "takes named 'mine' already" in capsys.readouterr().err
    assert TakeStore(workspace, "mine").classes == ("sad", "angry")
    assert main(["teach", folder, "-o", "mine", "--model", "seed", "--replace"]) == 0
    assert TakeStore(workspace, "mine").classes == ("happy", "surprise")


def test_takes_are_a_data_set(workspace, capsys):
    store = fill(workspace, classes=("smile", "wink"), takes=0)
    for name in store.classes:
        for value in range(2):
            store.add(name, np.random.default_rng(value).integers(0, 256, (3, 48, 48)).astype(np.uint8))
    assert main(["data", str(store.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["classes"], found["groups"], found["counts"]["train"]) == (["smile", "wink"], 4, 12)
    assert found["warnings"] == []


def test_takes_are_listed_exported_and_deleted(workspace, tmp_path, capsys):
    fill(workspace, classes=("happy", "surprise"), takes=2, frames=2)
    assert main(["takes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "sets": [{"name": "mine", "classes": ["happy", "surprise"], "takes": 4, "faces": 8}],
        "models": [],
    }
    assert main(["takes", "export", "mine", "-o", str(tmp_path / "mine.zip")]) == 0
    assert main(["teach", str(tmp_path / "mine.zip"), "-o", "again", "--model", "seed", "--json"]) == 0
    capsys.readouterr()
    assert main(["takes", "delete"]) == 2
    assert "Nothing was deleted" in capsys.readouterr().err
    assert main(["takes", "delete", "--everything", "--json"]) == 0
    removed = json.loads(capsys.readouterr().out)
    assert (removed["faces"], removed["takes"], removed["models"]) == (16, 8, 1)
    assert main(["takes"]) == 0
    assert capsys.readouterr().out == "There are no takes.\n"
