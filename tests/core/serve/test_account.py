"""Downloading and deleting everything of a user."""

import io
import os
import threading
import time
import zipfile

import pytest

from fer_core import jobs
from fer_core.config import TrainConfig
from fer_core.errors import RunError, WorkspaceError
from fer_core.serve import account
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.queue import TrainingQueue
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import Users
from tests.run_factory import make_run, write_status


@pytest.fixture
def user(workspace):
    return Users(workspace).user("https://id.example.org", "anna")


@pytest.fixture
def queue(workspace):
    return TrainingQueue(workspace, AuditLog(workspace))


def write(user, name, content=b"x"):
    path = user.workspace.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def exported(user, **options):
    content = io.BytesIO()
    count = account.export(user.workspace, content, **options)
    return count, zipfile.ZipFile(content)


def test_the_zip_has_everything_of_ones_own_and_no_cache(user):
    write(user, "runs/one/config.json", b"{}")
    write(user, "recordings/snapshot 1.png", b"png" * 1000)
    write(user, "app.json", b"{}")
    for name in ("cache/v2/data/a.npz", "logs/onnx.log", "runs/one/run.lock", "uploads/.a.zip.1234.part"):
        write(user, name)
    count, archive = exported(user)
    assert sorted(archive.namelist()) == ["app.json", "recordings/snapshot 1.png", "runs/one/config.json"]
    assert count == 3
    assert archive.testzip() is None
    assert archive.read("recordings/snapshot 1.png") == b"png" * 1000


def test_what_links_lead_to_is_not_in_it(user, tmp_path):
    (tmp_path / "secret").write_text("of another user")
    write(user, "uploads/a")
    (user.workspace.uploads / "link").symlink_to(tmp_path / "secret")
    (user.workspace.uploads / "folder").symlink_to(tmp_path)
    assert exported(user)[1].namelist() == ["uploads/a"]


def test_progress_is_in_bytes_and_it_can_be_canceled(user):
    write(user, "uploads/big", bytes(5 << 20))
    seen = []
    exported(user, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n << 20, 5 << 20) for n in range(1, 6)]
    with pytest.raises(WorkspaceError, match="canceled"):
        exported(user, stop=lambda: True)


def test_nobody_who_wrote_nothing_gets_an_empty_zip(user):
    count, archive = exported(user)
    assert (count, archive.namelist()) == (0, [])


def test_a_file_that_grows_meanwhile_is_written_as_long_as_it_was(user):
    path = write(user, "runs/one/log.txt", b"a" * (2 << 20))

    def grow(done, total):
        with path.open("ab") as file:
            file.write(b"b" * 100)

    archive = exported(user, progress=grow)[1]
    assert archive.read("runs/one/log.txt") == b"a" * (2 << 20)


def test_deleting_removes_every_file_and_no_other_user(user, workspace, queue):
    other = Users(workspace).user("https://id.example.org", "bert")
    write(user, "runs/one/config.json")
    kept = write(other, "uploads/a")
    account.delete(user, queue)
    assert not user.workspace.root.exists()
    assert kept.exists()
    assert [u.key for u in Users(workspace)] == [other.key]
    assert list((workspace.root / "users" / ".deleted").iterdir()) == []
    account.delete(user, queue)  # again, and for a user who never wrote anything


def test_waiting_trainings_leave_the_queue_and_a_running_one_ends_first(user, workspace, queue, monkeypatch):
    monkeypatch.setattr(jobs, "spawn", lambda *_, **__: None)
    run = make_run(state="running", workspace=user.workspace)
    ends = threading.Event()

    def train():
        with run.hold("The run"):
            ends.set()
            while not run.stop_requested:
                time.sleep(0.01)
            write_status(run, "stopped")

    thread = threading.Thread(target=train)
    thread.start()
    ends.wait(10)
    queue.submit(user, TrainConfig(), "waits", ServeSettings())
    account.delete(user, queue, wait=30)
    thread.join(10)
    assert not user.workspace.root.exists()
    assert queue.trainings() == []


def test_a_training_that_is_just_starting_is_stopped_once_it_has_begun(user, queue):
    run = make_run(state="starting", workspace=user.workspace)

    def train():
        time.sleep(0.5)
        with run.hold("The run"):  # deletes earlier requests to stop
            write_status(run, "running")
            while not run.stop_requested:
                time.sleep(0.01)
            write_status(run, "stopped")

    thread = threading.Thread(target=train)
    thread.start()
    account.delete(user, queue, wait=30)
    thread.join(10)
    assert not user.workspace.root.exists()


def test_nothing_is_deleted_while_a_training_does_not_end(user, queue):
    run = make_run(state="running", workspace=user.workspace)
    with run.hold("The run"), pytest.raises(RunError, match="has not ended yet"):
        account.delete(user, queue, wait=0)
    assert run.path.exists()


def test_what_a_killed_server_left_of_a_deletion_is_swept(workspace):
    left = workspace.root / "users" / ".deleted" / "1234"
    left.mkdir(parents=True)
    (left / "photo.png").write_bytes(b"x")
    account.sweep_deleted(workspace.root / "users")
    assert not left.exists()
    assert list(Users(workspace)) == []


def test_visitors_who_changed_nothing_for_long_are_forgotten_but_not_those_at_work(workspace, queue, monkeypatch):
    monkeypatch.setattr(jobs, "spawn", lambda *_, **__: None)
    users = Users(workspace)
    gone, here, trains, waits = (users.user("visitor", name) for name in ("gone", "here", "trains", "waits"))
    for one in (gone, here, trains, waits):
        write(one, "uploads/a")
    queue.submit(trains, TrainConfig(), None, ServeSettings())
    queue.submit(waits, TrainConfig(), None, ServeSettings())
    for one in (gone, trains, waits):
        for path in one.workspace.root.rglob("*"):
            os.utime(path, (time.time() - 7200, time.time() - 7200))
    assert account.forget_visitors(users, queue, hours=3) == []
    assert account.forget_visitors(users, queue, hours=1) == [gone.key]
    assert [one.workspace.root.exists() for one in (gone, here, trains, waits)] == [False, True, True, True]
    assert account.forget_visitors(users, queue, hours=1) == []
