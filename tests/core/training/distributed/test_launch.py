"""What ``torchrun`` says about a process, and which run a restarted command continues."""

from __future__ import annotations

import pytest
import typer

from fer_core.cli import main, training
from fer_core.training.distributed.join import joined
from fer_core.training.distributed.launch import Launch
from fer_core.training.runs import create_run, find_launched
from tests.factories import tiny_config
from tests.run_factory import write_status

ENVIRONMENT = {
    "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1",
    "MASTER_ADDR": "host-a", "MASTER_PORT": "29500", "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RUN_ID": "faces", "TORCHELASTIC_ERROR_FILE": "/tmp/elastic/faces_x/attempt_2/1/error.json",
}  # fmt: skip


def test_a_launch_is_read_from_the_environment():
    launch = Launch.of(ENVIRONMENT)
    assert launch == Launch(3, 4, 1, 2, 1, "host-a", 29500, False, "faces", ENVIRONMENT["TORCHELASTIC_ERROR_FILE"])
    assert launch.folder == "/tmp/elastic/faces_x"
    assert launch.name.startswith("process 3 on ")


def test_the_run_id_that_torchrun_gives_everyone_identifies_nothing():
    launch = Launch.of({**ENVIRONMENT, "TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_ERROR_FILE": ""})
    assert launch is not None
    assert launch.to_dict() == {"run_id": "", "folder": ""}


def test_without_torchrun_there_is_nothing_to_join():
    with joined({"RANK": "0", "WORLD_SIZE": "4"}) as processes:
        assert processes is None


@pytest.mark.parametrize(
    ("launch", "state", "found"),
    [
        ({"run_id": "", "folder": "/a"}, "finished", True),  # a restart by the same torchrun
        ({"run_id": "", "folder": "/a"}, "running", True),
        (
            {"run_id": "job", "folder": "/b"},
            "running",
            True,
        ),  # the machine restarted; nobody holds the lock, so it is lost
        ({"run_id": "job", "folder": "/b"}, "stopped", True),
        ({"run_id": "job", "folder": "/b"}, "finished", False),  # the same command once more
        ({"run_id": "", "folder": "/b"}, "stopped", False),  # another torchrun without a run id
        ({"run_id": "other", "folder": "/b"}, "stopped", False),
        ({"run_id": "", "folder": ""}, "stopped", False),
    ],
)
def test_a_command_continues_the_run_of_its_torchrun_or_run_id(launch, state, found, workspace):
    config = tiny_config()
    run = create_run(config, workspace=workspace, launch={"run_id": "job", "folder": "/a"})
    write_status(run, state)
    plain = create_run(config, workspace=workspace)
    write_status(plain, state)
    assert find_launched(config, launch, workspace) == (run if found else None)
    assert find_launched(tiny_config(seed=5), launch, workspace) is None


def test_torchrun_leaves_all_options_of_train_alone():
    from torch.distributed.run import get_args_parser

    command = typer.main.get_command(training.commands).commands["train"]
    options = [flag for option in command.params for flag in option.opts if flag != "--run"]  # hidden; see jobs.spawn
    assert "--data" in options
    for option in options:
        given = ["--nproc-per-node", "2", "-m", "fer_core", "train", option, "1"]
        assert get_args_parser().parse_args(given).training_script_args == ["train", option, "1"]


def test_train_family_is_refused_under_torchrun(monkeypatch, capsys):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert main(["train-family", "--data", "synthetic", "--minutes", "1"]) == 2
    assert "train-family runs in one process. Start it without torchrun" in capsys.readouterr().err
