"""What breaks around a training: each fault ends in a clear state and a sentence, and never "running" for ever."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

from fer_core.errors import DataError, RunError, TrainingError, WorkspaceError
from fer_core.jobs import RESUMABLE
from fer_core.training.runs import list_runs, open_run
from fer_core.training.trainer import Hooks, train
from fer_core.workspace import Workspace
from tests.factories import make_dataset, tiny_config
from tests.pages.conftest import image_folder


@contextlib.contextmanager
def disk(folder: Path, options: str):
    """A small file system of its own at ``folder``; needs root."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_fails_the_run_in_words_and_it_resumes_when_there_is_room(tmp_path):
    with disk(tmp_path / "small", "size=24m") as small:
        workspace, ballast = Workspace(small), small / "ballast"

        def fill(_) -> None:
            """After the first epoch, whatever room is left goes to something else."""
            with contextlib.suppress(OSError), ballast.open("ab") as file:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()

        with pytest.raises((TrainingError, WorkspaceError), match="Free some space"):
            train(tiny_config(epochs=3), dataset=make_dataset(), workspace=workspace, hooks=Hooks(on_epoch=fill))
        (run,) = list_runs(workspace)
        assert run.state in RESUMABLE
        assert run.records()
        ballast.unlink()
        train(run.config, run=run, dataset=make_dataset(), workspace=workspace)
        assert run.state == "finished"
        undisturbed = train(tiny_config(epochs=3), dataset=make_dataset(), workspace=Workspace(tmp_path / "large")).run
        ours, theirs = (
            torch.load(r.path / "last.ckpt", weights_only=True)["training"]["model"] for r in (run, undisturbed)
        )
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_read_only_workspace_is_said_before_anything_is_computed(tmp_path):
    with disk(tmp_path / "fixed", "ro") as fixed, pytest.raises(WorkspaceError, match="FER_HOME"):
        train(tiny_config(), dataset=make_dataset(), workspace=Workspace(fixed))


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0, 1e9])
def test_a_clock_that_jumps_changes_nothing(jump, monkeypatch, workspace):
    real, calls = time.time, 0

    def jumping() -> float:
        nonlocal calls
        calls += 1
        return real() + (jump if calls % 7 > 3 else 0)

    monkeypatch.setattr(time, "time", jumping)
    run = train(tiny_config(epochs=2), dataset=make_dataset()).run
    assert run.state == "finished"
    assert [record.epoch for record in run.records()] == [1, 2]
    assert all(record.seconds < 300 and record.images_per_second > 0 for record in run.records())


def test_data_deleted_in_mid_run_is_missed_only_when_it_is_needed_again(tmp_path, workspace):
    folder = image_folder(tmp_path / "faces", per_class=10)
    config = tiny_config(data=str(folder), epochs=3, batch_size=35)
    seen: list[int] = []

    def vanish(record) -> None:
        seen.append(record.epoch)
        shutil.rmtree(folder, ignore_errors=True)

    stopped = train(config, hooks=Hooks(on_epoch=vanish, should_stop=lambda: bool(seen))).run
    assert stopped.state == "stopped"
    with pytest.raises(DataError, match="faces"):
        train(stopped.config, run=stopped)
    assert stopped.state in RESUMABLE
    image_folder(folder, per_class=10)
    train(stopped.config, run=stopped)
    assert stopped.state == "finished"
    finished = train(tiny_config(data=str(folder), epochs=2), hooks=Hooks(on_epoch=vanish)).run  # it lies in memory
    assert finished.state == "finished"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A stopped run with every kind of file a run can hold."""
    workspace = Workspace(tmp_path_factory.mktemp("whole"))
    run = train(tiny_config(epochs=3, evaluate_test=True), dataset=make_dataset(), workspace=workspace).run
    assert (run.path / "predictions-test.npz").exists()
    return run.path


FILES = (
    "config.json", "status.json", "metrics.jsonl", "log.txt", "environment.json", "label.json", "last.ckpt",
    "best.safetensors", "evaluation-valid.json", "predictions-valid.npz", "evaluation-test.json", "predictions-test.npz",
)  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", FILES)
def test_a_half_written_file_of_any_kind_leaves_the_run_readable(whole, name, share, workspace):
    path = workspace.runs / whole.name
    whole_run = open_run(whole, workspace)
    shutil.copytree(whole, path)
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: int(share * len(content))])
    assert [run.id for run in list_runs(workspace)] == [whole.name]
    if name == "config.json":  # the one file without which nothing can be said; the page still lists the run
        with pytest.raises(RunError, match="damaged"):
            open_run(whole.name, workspace)
        return
    run = open_run(whole.name, workspace)
    assert run.state not in ("running", "starting", "stopping")
    records = {r.epoch: r for r in run.records()}
    assert records.items() <= {r.epoch: r for r in whole_run.records()}.items(), "what is left is what was written"
    log, whole_log = "\n".join(run.log_tail()), "\n".join(whole_run.log_tail())
    assert whole_log.startswith(log) if name == "log.txt" else log == whole_log
    assert run.environment() == ({} if name == "environment.json" else whole_run.environment())
    assert run.config == whole_run.config
    assert run.label.name in ({whole_run.label.name, run.id} if name == "label.json" else {whole_run.label.name})
    if name != "metrics.jsonl":
        assert run.best() == whole_run.best()
    if name == "last.ckpt":
        with pytest.raises(RunError, match="damaged"):
            train(run.config, run=run, dataset=make_dataset())
        assert run.state == whole_run.state, "an attempt that fails leaves the run as it was"


def test_every_file_of_a_run_is_among_those_cut(whole):
    assert {path.name for path in whole.iterdir()} - {"run.lock", "console.txt"} <= set(FILES)
