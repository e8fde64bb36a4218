from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from fer_core import jobs
from fer_core.errors import BusyError, RunError, WorkspaceError
from fer_core.jobs import ACTIVE, RESUMABLE, Job, JobStatus, child_environment, held
from fer_core.resources import checkout
from fer_core.workspace import Workspace

AUTOGROUP = Path("/proc/self/autogroup")


@pytest.fixture
def job(tmp_path) -> Job:
    job = Job(tmp_path / "job")
    job.path.mkdir()
    return job


def say(job: Job, state: str, *, heartbeat: float | None = None, error: str | None = None) -> None:
    values = {"state": state, "heartbeat": time.time() if heartbeat is None else heartbeat, "error": error}
    job.write_status(JobStatus.parse(values))


def waiting_child(workspace, monkeypatch) -> int:
    """The process id of a background process that would go on for a minute."""
    popen = jobs.subprocess.Popen

    def start(command, **kwargs):
        return popen([command[0], "-c", "import time; time.sleep(60)"], **kwargs)

    monkeypatch.setattr(jobs.subprocess, "Popen", start)
    workspace.root.mkdir(parents=True, exist_ok=True)
    return jobs.spawn(["train"], workspace, workspace.root / "console.txt").pid


def test_alive_means_that_the_lock_is_held(job):
    say(job, "running", heartbeat=0)
    assert job.watched_state() == "lost"
    with job.hold("The work"):
        assert job.watched_state() == "running"
        job.request_stop()
        assert job.watched_state() == "stopping"
    assert job.watched_state() == "lost"


def test_a_process_has_some_time_to_take_the_lock(job):
    say(job, "starting")
    assert job.watched_state() == "starting"
    say(job, "starting", heartbeat=time.time() - 61)
    assert job.watched_state() == "lost"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no locks that a child inherits")
def test_a_process_that_starts_slowly_is_starting_for_as_long_as_it_lives(job, workspace):
    process = job.start(["--version"], workspace, JobStatus())
    os.kill(process.pid, signal.SIGSTOP)  # a machine that is too busy to let it run
    say(job, "starting", heartbeat=time.time() - 3600)
    assert job.watched_state() == "starting"
    process.kill()
    process.wait(60)
    assert job.watched_state() == "lost"


@pytest.mark.parametrize("state", ["stopped", "finished", "failed"])
def test_an_ended_job_says_how_it_ended(job, state):
    say(job, state, error="why")
    assert (job.watched_state(), job.status.error) == (state, "why")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"state": "asleep"}', b'{"state": "running"'])
def test_a_missing_or_damaged_status_is_a_blank_one(job, content):
    if content is not None:
        (job.path / "status.json").write_bytes(content)
    assert job.status == JobStatus()
    assert job.watched_state() == "lost"


def test_looking_creates_nothing(job):
    job.watched_state(), job.status, job.stop_requested
    assert list(job.path.iterdir()) == []
    Job(job.path / "none").request_stop()
    assert not (job.path / "none").exists()


@pytest.mark.slow
def test_only_one_process_works_on_a_job_and_it_forgets_an_earlier_stop(job):
    job.request_stop()
    with job.hold("The work"):
        assert not job.stop_requested
        with pytest.raises(RunError, match=r"The work is in use by another process"), job.hold("The work"):
            pytest.fail("two hold it")
    with job.hold("The work"):
        pass


@pytest.mark.slow
def test_a_lock_is_released_after_an_error_and_the_error_comes_through(tmp_path):
    lock = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), held(lock, lambda: BusyError("busy")):
        _ = 1 / 0
    with FileLock(lock, timeout=0), pytest.raises(BusyError, match="busy"), held(lock, lambda: BusyError("busy")):
        pytest.fail("two hold it")


def test_a_place_where_no_lock_can_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(WorkspaceError, match=r"lock cannot be written .* FER_HOME"),
        held(tmp_path / "file" / "lock", lambda: BusyError("busy")),
    ):
        pytest.fail("it was held")


def test_many_looks_at_once_never_disturb_the_process(job):
    say(job, "running")
    seen: list[str] = []
    with job.hold("The work"):
        threads = [threading.Thread(target=lambda: seen.append(job.watched_state())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == ["running"] * 8


def test_every_state_is_active_resumable_queued_or_finished():
    states = set(jobs.JobState.__args__)
    assert ACTIVE | RESUMABLE | {"finished", "queued"} == states
    assert not ACTIVE & RESUMABLE


def test_a_started_job_says_so_writes_its_console_and_leaves_no_zombie(tmp_path, workspace):
    job = Job(tmp_path / "new")
    job.path.mkdir()
    job.request_stop()
    process = job.start(["--version"], workspace, JobStatus())
    assert job.status.state == "starting"
    assert abs(job.status.heartbeat - time.time()) < 30
    assert not job.stop_requested
    assert process.wait(60) == 0
    assert (job.path / "console.txt").read_text().strip()


def test_a_child_imports_this_code_and_writes_into_the_workspace(tmp_path):
    script = "import fer_core, os; print(fer_core.__file__); print(os.environ['FER_HOME'])"
    environment = child_environment(Workspace(tmp_path))
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    where, home = ran.stdout.splitlines()
    assert Path(where).is_relative_to(checkout() or Path(jobs.__file__).parent)
    assert home == str(tmp_path)


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no priorities of its processes to read")
def test_a_background_process_yields_and_its_parent_stays_as_it_is(workspace, monkeypatch):
    before = os.getpriority(os.PRIO_PROCESS, 0)
    pid = waiting_child(workspace, monkeypatch)
    try:
        assert os.getpriority(os.PRIO_PROCESS, pid) == max(10, before)
        assert os.getpriority(os.PRIO_PROCESS, 0) == before
    finally:
        os.kill(pid, 9)


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system does not share the processor between sessions")
def test_its_session_yields_to_the_session_of_the_pages(workspace, monkeypatch):
    before = AUTOGROUP.read_text()
    pid = waiting_child(workspace, monkeypatch)
    try:
        assert "nice 10" in Path(f"/proc/{pid}/autogroup").read_text()
        assert AUTOGROUP.read_text() == before
    finally:
        os.kill(pid, 9)


@pytest.mark.parametrize(
    ("processes", "command"),
    [
        (1, ["-m", "fer_core", "train"]),
        (3, ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3", "-m", "--", "fer_core", "train"]),
    ],
)
def test_several_processes_are_started_by_torchrun(processes, command, workspace, monkeypatch):
    popen, commands = jobs.subprocess.Popen, []

    def start(given, **kwargs):
        commands.append(given[1:])
        return popen([given[0], "-c", ""], **kwargs)

    monkeypatch.setattr(jobs.subprocess, "Popen", start)
    workspace.root.mkdir(parents=True, exist_ok=True)
    jobs.spawn(["train"], workspace, workspace.root / "console.txt", processes)
    assert commands == [command]
