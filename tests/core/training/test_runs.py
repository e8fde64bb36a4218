from __future__ import annotations

import json
import threading

import pytest
from filelock import FileLock

from fer_core.errors import BusyError, ConfigError, RunError
from fer_core.training import runs
from fer_core.training.runs import EpochRecord, Status, create_run, list_runs, open_run
from fer_core.workspace import Workspace, write_json
from tests.factories import tiny_config


def record(epoch: int, accuracy: float = 0.5, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(
        epoch=epoch, train_loss=1, train_accuracy=0.4, valid_loss=loss, valid_accuracy=accuracy,
        learning_rate=0.1, seconds=1, images_per_second=10,
    )  # fmt: skip


@pytest.fixture
def run(workspace):
    return create_run(tiny_config(), "My first run!", workspace=workspace)


def set_state(run, state: str, **more) -> None:
    write_json(run.path / "status.json", Status(state=state, **more).to_dict())


def test_a_new_run_has_a_speaking_directory_and_its_settings(run):
    assert "my-first-run" in run.id
    assert run.config == tiny_config()
    assert run.label.name == "My first run!"
    assert run.state == "starting"


def test_a_process_that_never_took_the_lock_is_lost_after_the_grace(run):
    set_state(run, "starting", heartbeat=0)
    assert run.state == "lost"


def test_alive_means_that_the_lock_is_held(run):
    set_state(run, "running", heartbeat=0)
    assert run.state == "lost"
    with FileLock(run.path / "run.lock"):
        assert run.state == "running"
        run.request_stop()
        assert run.state == "stopping"
        assert runs.running(Workspace.default()).id == run.id
        with pytest.raises(RunError, match="Stop it before you delete"):
            runs.delete_run(run)
        with pytest.raises(BusyError, match="My first run!"):
            runs.refuse_if_busy(runs.Workspace.default())
    assert run.state == "lost"


@pytest.mark.parametrize("state", ["stopped", "finished", "failed"])
def test_an_ended_run_says_how_it_ended(run, state):
    set_state(run, state)
    assert run.state == state


def test_a_half_written_line_of_metrics_is_left_out(run):
    lines = [record(1).model_dump_json(), record(2).model_dump_json()[:40]]
    (run.path / "metrics.jsonl").write_text("\n".join(lines))
    assert [r.epoch for r in run.records()] == [1]


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first():
    found = [record(1, 0.5), record(2, 0.6, 1.2), record(3, 0.6, 1.1), record(4, 0.6, 1.1), record(5, 0.55)]
    assert runs.best_record(found).epoch == 3
    assert runs.best_record([]) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"[]", "different structure"),
        (b'{"config": 3, "schema_version": 1}', "different structure"),
        (json.dumps({"schema_version": 99, "config": {}}).encode(), "newer"),
        (json.dumps({"schema_version": 1, "config": {"epochs": 0}}).encode(), "epochs"),
    ],
)
def test_a_damaged_run_is_listed_as_such_and_refused_with_the_reason(run, content, words):
    (run.path / "config.json").write_bytes(content)
    assert run.state == "damaged"
    assert [r.id for r in list_runs(Workspace.default())] == [run.id]
    with pytest.raises(RunError, match=words):
        open_run(run.id, Workspace.default())


def test_damaged_status_and_label_do_not_hide_a_run(run):
    (run.path / "status.json").write_text("{")
    (run.path / "label.json").write_text('{"name": 7}')
    assert run.label.name == run.id
    assert run.status == Status()
    assert open_run(run.id, Workspace.default()).id == run.id


def test_runs_are_found_by_id_by_name_and_by_path(run):
    for key in (run.id, "My first run!", str(run.path)):
        assert open_run(key, Workspace.default()).path == run.path
    create_run(tiny_config(), "My first run!", workspace=Workspace.default())
    with pytest.raises(RunError, match="Several runs"):
        open_run("My first run!", Workspace.default())
    with pytest.raises(RunError, match="There is no run"):
        open_run("nothing", Workspace.default())
    with pytest.raises(RunError):
        open_run("..", Workspace.default())


def test_renaming_keeps_notes_and_refuses_an_empty_name(run):
    runs.rename_run(run, "Better", notes="why")
    runs.rename_run(run, "Best")
    assert (run.label.name, run.label.notes) == ("Best", "why")
    with pytest.raises(ConfigError):
        runs.rename_run(run, "  ")
    assert run.label.name == "Best"


def test_deleting_removes_the_directory_and_nothing_a_link_points_to(run, workspace, tmp_path):
    (tmp_path / "precious").mkdir()
    link = workspace.runs / "20990101-link"
    link.symlink_to(tmp_path / "precious")
    runs.delete_run(runs.Run(link))
    assert (tmp_path / "precious").is_dir()
    set_state(run, "finished")
    runs.delete_run(run)
    assert list_runs(workspace) == []


def test_looking_at_a_run_never_disturbs_its_trainer(run):
    set_state(run, "running")
    with FileLock(run.path / "run.lock"):
        seen: list[str] = []
        threads = [threading.Thread(target=lambda: seen.append(run.state)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == ["running"] * 8


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "a\x00b", "<b>x</b>", "名前", "." * 50, "x" * 300])
def test_any_name_gives_a_harmless_directory(name, workspace):
    run = create_run(tiny_config(), name, workspace=workspace)
    assert run.path.parent == workspace.runs
    assert len(run.id) < 80


def test_settings_nested_too_deeply_to_be_parsed_are_damaged(workspace):
    run = create_run(tiny_config(), "deep", workspace=workspace)
    (run.path / "config.json").write_text('{"config": ' + "[" * 100_000)
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        _ = open_run(run.id, workspace).config
