"""What a data set warns of follows it into every command that reads it, and into the record of a run."""

from __future__ import annotations

import json

import pytest

from fer_core.cli import main
from fer_core.training.runs import list_runs
from fer_core.workspace import Workspace
from tests.factories import make_dataset, untrained_checkpoint
from tests.source_factory import encode, write_folder

WARNING = "Not read: 1 file that is not an image: 1 .txt file ('notes.txt')."


@pytest.fixture
def source(tmp_path) -> str:
    dataset = make_dataset(train=140, valid=70, test=14)
    files = {
        f"{dataset.split[i]}/{dataset.label_name(i)}/{i}.png": encode(dataset.images[i]) for i in range(len(dataset))
    }
    return str(write_folder(tmp_path / "faces", {**files, "notes.txt": b"hello"}))


@pytest.fixture
def model(tmp_path) -> str:
    return str(untrained_checkpoint(tmp_path / "m.safetensors"))


TINY = ["--epochs", "1", "--preset", "standard", "--set", "batch_size=35", "--set", "threads=1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "SOURCE"],
        ["audit", "SOURCE"],
        ["evaluate", "MODEL", "--data", "SOURCE"],
        ["explain", "--model", "MODEL", "--data", "SOURCE", "--split", "test"],
        ["filters", "MODEL", "--data", "SOURCE", "--split", "test"],
        ["train", "--data", "SOURCE", *TINY],
        ["experiment", "label-noise", "--data", "SOURCE", "--epochs", "1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_warning_is_on_stderr_and_in_the_json_of_each_command(source, model, capsys, arguments):
    if arguments[0] == "experiment":
        assert main(["experiment", "--json"]) == 0
        arguments = ["experiment", json.loads(capsys.readouterr().out)[0]["name"], *arguments[2:]]
    filled = [{"SOURCE": source, "MODEL": model}.get(word, word) for word in arguments]
    assert main([*filled, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count(f"warning: {WARNING}") == 1
    assert WARNING in json.loads(captured.out)["warnings"]


def test_a_warning_is_in_the_record_and_the_log_of_a_run(source, capsys):
    assert main(["train", "--data", source, *TINY]) == 0
    (run,) = list_runs(Workspace.default())
    assert WARNING in run.environment()["data_warnings"]
    assert WARNING in (run.path / "log.txt").read_text(encoding="utf-8")
