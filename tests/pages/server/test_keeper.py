"""The thread that keeps a shared server: queue, caches, downloads."""

from __future__ import annotations

import os
import threading

import pytest

from fer_core import jobs
from fer_core.config import TrainConfig
from fer_core.errors import WorkspaceError
from fer_core.serve.account import download_path
from fer_core.serve.queue import TrainingQueue
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import Users
from pages.ui.server import keeper
from pages.ui.shell.errors import error_log
from pages.ui.shell.limits import services


class Rounds(threading.Event):
    """Ends the keeper after so many rounds, without waiting between them."""

    def __init__(self, count):
        super().__init__()
        self.left = count

    def wait(self, timeout=None):
        self.left -= 1
        if self.left <= 0:
            self.set()
        return self.is_set()


@pytest.fixture(autouse=True)
def _server(monkeypatch):
    monkeypatch.setenv("FER_SHARED", "1")
    monkeypatch.setattr(jobs, "spawn", lambda *_, **__: None)
    services.cache_clear()


@pytest.fixture
def anna(workspace):
    return Users(workspace).user("https://id.example", "anna")


def queued(workspace, user, monkeypatch):
    """A training that a server which is gone has queued."""
    with monkeypatch.context() as patch:
        patch.setattr(TrainingQueue, "advance", lambda *_: None)
        return services(workspace).queue.submit(user, TrainConfig(), None, ServeSettings())


def test_queued_trainings_start_by_themselves(workspace, anna, monkeypatch):
    run = queued(workspace, anna, monkeypatch)
    keeper.run_keeper(workspace, Rounds(1))
    assert run.state == "starting"


def test_a_run_whose_queue_file_is_gone_is_found_at_the_start(workspace, anna, monkeypatch):
    run = queued(workspace, anna, monkeypatch)
    for path in (workspace.root / "training-queue").glob("*.json"):
        path.unlink()
    keeper.run_keeper(workspace, Rounds(1))
    assert run.state == "starting"


def test_what_a_killed_server_left_is_deleted_at_the_start(workspace, anna):
    path = download_path(workspace, anna)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"zip")
    doomed = Users(workspace).folder / ".deleted" / "x"
    doomed.mkdir(parents=True)
    keeper.run_keeper(workspace, Rounds(1))
    assert not path.exists()
    assert not doomed.exists()


def test_damaged_settings_are_said_once_and_it_goes_on_when_they_are_mended(workspace, anna, monkeypatch, caplog):
    run = queued(workspace, anna, monkeypatch)
    (workspace.root / "serve.toml").write_text("trainings = ")
    keeper.run_keeper(workspace, Rounds(5))
    assert run.state == "queued"
    assert caplog.text.count("The queue of trainings waits") == 1
    (workspace.root / "serve.toml").unlink()
    keeper.run_keeper(workspace, Rounds(1))
    assert run.state == "starting"


@pytest.mark.parametrize("error", [RuntimeError("of Anna's holiday.jpg"), WorkspaceError("The disk is full.")])
def test_nothing_that_goes_wrong_ends_it(workspace, anna, monkeypatch, error):
    run = queued(workspace, anna, monkeypatch)
    errors = [error]
    advance = TrainingQueue.advance

    def sometimes(queue, settings):
        if errors:
            raise errors.pop()
        advance(queue, settings)

    monkeypatch.setattr(TrainingQueue, "advance", sometimes)
    keeper.run_keeper(workspace, Rounds(2))
    assert run.state == "starting"
    if isinstance(error, RuntimeError):
        text = error_log().read_text()
        assert "RuntimeError" in text
        assert "holiday" not in text


@pytest.mark.parametrize(("mode", "kept"), [("1", True), ("open", False)])
def test_only_an_open_server_forgets_who_does_not_come_back(workspace, anna, monkeypatch, mode, kept):
    monkeypatch.setenv("FER_SHARED", mode)
    monkeypatch.setattr(keeper, "_TIDY_EVERY", 0)
    old = anna.workspace.uploads / "old"
    old.parent.mkdir(parents=True)
    old.touch()
    os.utime(old, (0, 1))
    keeper.run_keeper(workspace, Rounds(1))
    assert anna.workspace.root.exists() == kept


def test_it_ends_with_the_server(workspace):
    with keeper.keeper():
        assert any(thread.name == "keep the server" for thread in threading.enumerate())
    assert not any(thread.name == "keep the server" for thread in threading.enumerate())
