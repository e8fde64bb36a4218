"""The queue of trainings: one per user, N per server, nothing lost and nothing started twice."""

import time
from contextlib import ExitStack

import pytest

from fer_core import jobs
from fer_core.config import TrainConfig
from fer_core.errors import LimitError, RunError, WorkspaceError
from fer_core.jobs import Job, JobStatus
from fer_core.serve import queue as module
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.queue import TrainingQueue
from fer_core.serve.settings import ServeSettings
from fer_core.serve.users import Users
from fer_core.training.runs import delete_run, open_run
from tests.run_factory import make_run, write_status

ONE, TWO = ServeSettings(trainings=1), ServeSettings(trainings=2)
CONFIG = TrainConfig(data="synthetic", epochs=2)


class Processes:
    """Stands for the processes of trainings: which were started, and which are alive now."""

    def __init__(self):
        self.started = []
        self.dies = False
        self._alive = {}

    def spawn(self, arguments, workspace, console, processes=1, descriptors=()):
        assert arguments[:2] == ["train", "--run"]
        run = open_run(arguments[2], workspace)
        self.started.append(run.id)
        if not self.dies:
            self.live(run)

    def live(self, run):
        stack = self._alive[run.id] = ExitStack()
        stack.enter_context(run.hold("The run"))
        write_status(run, "running", epochs=2)

    def end(self, run, state="finished"):
        if state is not None:
            write_status(run, state, epochs=2)
        self._alive.pop(run.id).close()

    def close(self):
        for stack in self._alive.values():
            stack.close()


@pytest.fixture
def processes(monkeypatch):
    found = Processes()
    monkeypatch.setattr(jobs, "spawn", found.spawn)
    yield found
    found.close()


@pytest.fixture
def queue(workspace):
    return TrainingQueue(workspace, AuditLog(workspace))


@pytest.fixture
def anna(workspace):
    return Users(workspace).user("https://id.example.org", "anna")


@pytest.fixture
def bert(workspace):
    return Users(workspace).user("https://id.example.org", "bert")


def submit(queue, user, settings=ONE, name="first"):
    return queue.submit(user, CONFIG, name, settings)


def positions(queue):
    return [(one.run, one.position) for one in queue.trainings()]


def kill_before(monkeypatch, owner, name):
    """The server is killed when it is about to call this."""

    def killed(*_, **__):
        raise SystemExit(137)

    monkeypatch.setattr(owner, name, killed)


def test_a_training_starts_at_once_when_a_slot_is_free(queue, anna, processes):
    run = submit(queue, anna)
    assert processes.started == [run.id]
    assert run.state == "running"
    assert run.path.is_relative_to(anna.workspace.root)
    assert queue.position_of(anna, run.id) == 0


def test_others_wait_in_their_order_and_see_their_position(queue, anna, bert, workspace, processes):
    first, second = submit(queue, anna), submit(queue, bert)
    third = submit(queue, anna, name="second of anna")
    assert (second.state, third.state) == ("queued", "queued")
    assert positions(queue) == [(first.id, 0), (second.id, 1), (third.id, 2)]
    assert [one.position for one in queue.trainings(anna)] == [0, 2]
    processes.end(first)
    queue.advance(ONE)
    assert processes.started == [first.id, second.id]
    assert positions(queue) == [(second.id, 0), (third.id, 1)]


def test_one_user_trains_once_however_many_slots_are_free(queue, anna, bert, processes):
    first, second, other = submit(queue, anna, TWO), submit(queue, anna, TWO), submit(queue, bert, TWO)
    assert processes.started == [first.id, other.id]
    processes.end(first)
    queue.advance(TWO)
    assert processes.started[2:] == [second.id]


def test_a_stopped_run_is_resumed_through_the_queue(queue, anna, bert, processes):
    run = make_run(state="stopped", planned=3, epochs=1, workspace=anna.workspace)
    write_status(run, "stopped", epoch=1, epochs=3)
    other = submit(queue, bert)
    queue.resume(anna, run, ONE)
    assert (run.state, run.status.epoch, run.status.previous) == ("queued", 1, "stopped")
    processes.end(other)
    queue.advance(ONE)
    assert processes.started == [other.id, run.id]
    with pytest.raises(RunError, match="is running"):
        queue.resume(anna, run, ONE)


def test_canceling_leaves_a_run_that_can_be_resumed(queue, anna, bert, processes):
    submit(queue, bert)
    new = submit(queue, anna)
    old = make_run(state="failed", workspace=anna.workspace)
    queue.resume(anna, old, ONE)
    queue.cancel(anna, new)
    queue.cancel(anna, old)
    assert (new.state, old.state) == ("stopped", "failed")
    assert queue.trainings(anna) == []
    queue.resume(anna, new, ONE)
    assert queue.position_of(anna, new.id) == 1


def test_canceling_a_running_training_asks_it_to_stop(queue, anna, processes):
    run = submit(queue, anna)
    queue.cancel(anna, run)
    assert run.state == "stopping"


def test_a_user_cannot_cancel_what_belongs_to_another(queue, anna, bert, processes):
    submit(queue, anna)
    waiting = submit(queue, bert)
    queue.cancel(anna, type(waiting)(anna.workspace.runs / waiting.id))
    assert queue.position_of(bert, waiting.id) == 1


def test_a_user_may_queue_only_so_many(queue, anna, monkeypatch, processes):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    for _ in range(3):
        submit(queue, anna)
    with pytest.raises(LimitError, match="2 of your trainings wait already"):
        submit(queue, anna)


def test_a_restarted_server_goes_on_where_it_was(queue, anna, bert, workspace, processes):
    running, waiting = submit(queue, anna), submit(queue, bert)
    again = TrainingQueue(workspace, AuditLog(workspace))
    again.recover()
    again.advance(ONE)
    assert processes.started == [running.id]  # it outlived the server, and still takes the slot
    processes.end(running)
    again.advance(ONE)
    assert processes.started == [running.id, waiting.id]


@pytest.mark.parametrize(
    "moment", ["before the attempt", "before the status", "before the process", "after the process"]
)
def test_a_server_killed_while_it_starts_a_training_neither_loses_nor_doubles_it(
    queue, anna, bert, workspace, monkeypatch, processes, moment
):
    first, waiting = submit(queue, anna), submit(queue, bert)
    processes.end(first)
    with monkeypatch.context() as patch:
        if moment == "before the attempt":
            kill_before(patch, module, "write_json")
        elif moment == "before the status":
            kill_before(patch, module, "start_queued")
        elif moment == "before the process":
            kill_before(patch, jobs, "spawn")
        else:
            kill_before(patch, AuditLog, "write")
            patch.setattr(module.Path, "unlink", lambda *_, **__: None)  # the entry of the first stays as well
        with pytest.raises(SystemExit):
            queue.advance(ONE)
    again = TrainingQueue(workspace, AuditLog(workspace))
    again.recover()
    again.advance(ONE)
    if moment == "before the process":  # it cannot be known yet whether a process runs
        assert processes.started == [first.id]
        write_status(waiting, "starting", epochs=2)
        _age(waiting)
        again.advance(ONE)
    again.advance(ONE)
    assert processes.started == [first.id, waiting.id]
    assert waiting.state == "running"


def _age(run):
    """A minute passes without the process taking the lock."""
    status = run.status
    run.write_status(status.model_copy(update={"heartbeat": time.time() - 100}))


def test_a_server_killed_while_it_queues_a_training_keeps_it(queue, anna, workspace, monkeypatch, processes):
    with monkeypatch.context() as patch:
        kill_before(patch, module, "Status")
        with pytest.raises(SystemExit):
            submit(queue, anna)
    again = TrainingQueue(workspace, AuditLog(workspace))
    again.advance(ONE)
    assert len(processes.started) == 1


def test_a_process_that_dies_before_it_begins_is_started_again_but_not_forever(queue, anna, processes):
    processes.dies = True
    run = submit(queue, anna)
    for _ in range(5):
        _age(run)
        queue.advance(ONE)
    assert processes.started == [run.id] * 3
    assert run.state == "failed"
    assert "did not start" in run.status.error
    assert queue.trainings() == []


def test_a_training_that_died_on_the_way_is_not_started_again(queue, anna, processes):
    run = submit(queue, anna)
    processes.end(run, state=None)  # killed: its status still says running
    queue.advance(ONE)
    assert (run.state, processes.started, queue.trainings()) == ("lost", [run.id], [])


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b'{"user": 1}', b'{"user": "../../etc", "run": "x"}', b"[]"])
def test_a_damaged_file_is_set_aside_and_its_run_found_again(queue, anna, bert, workspace, processes, content):
    first, waiting = submit(queue, anna), submit(queue, bert)
    files = sorted((workspace.root / "training-queue").glob("*.json"))
    files[1].write_bytes(content)
    processes.end(first)
    queue.advance(ONE)
    queue.advance(ONE)
    assert processes.started == [first.id, waiting.id]
    assert [path.name for path in files[1].parent.glob("*.damaged")] == ["000000002.damaged"]


def test_the_whole_queue_deleted_is_rebuilt_in_the_order_of_the_runs(queue, anna, bert, workspace, processes):
    submit(queue, anna)
    made = [submit(queue, bert, name=name) for name in ("a", "b")]
    for path in (workspace.root / "training-queue").glob("*.json"):
        path.unlink()
    again = TrainingQueue(workspace, AuditLog(workspace))
    again.recover()
    assert sorted(run for run, _ in positions(again)) == sorted(run.id for run in made)


def test_runs_and_users_deleted_while_queued_leave_the_queue(queue, anna, bert, workspace, processes):
    import shutil

    running, waiting = submit(queue, anna), submit(queue, bert)
    own = submit(queue, anna)
    delete_run(own)
    shutil.rmtree(bert.workspace.root)
    processes.end(running)
    queue.advance(ONE)
    assert positions(queue) == []
    assert processes.started == [running.id]
    assert not waiting.path.exists()


def test_order_does_not_depend_on_the_clock(queue, anna, bert, monkeypatch, processes):
    first = submit(queue, anna)
    monkeypatch.setattr(time, "time", lambda: 1000.0)  # the clock was set back by decades
    second = submit(queue, bert)
    third = submit(queue, anna)
    assert positions(queue) == [(first.id, 0), (second.id, 1), (third.id, 2)]


def test_a_training_from_the_command_line_is_waited_for(queue, anna, processes):
    other = make_run(state="running", workspace=anna.workspace)
    processes.live(other)
    run = submit(queue, anna)
    assert (run.state, processes.started) == ("queued", [])
    processes.end(other)
    queue.advance(ONE)
    assert processes.started == [run.id]


def test_a_full_disk_at_the_start_is_tried_again_and_then_said(queue, anna, monkeypatch, processes):
    def full(*_, **__):
        raise WorkspaceError("The disk is full.")

    monkeypatch.setattr(module, "start_queued", full)
    run = submit(queue, anna)
    assert run.state == "queued"
    queue.advance(ONE)
    queue.advance(ONE)
    assert (run.state, run.status.error) == ("failed", "The disk is full.")


def test_other_work_takes_a_slot_while_it_runs(queue, anna, bert, workspace, processes):
    with queue.slot(anna, ONE):
        waiting = submit(queue, bert)
        assert waiting.state == "queued"
        with pytest.raises(LimitError, match="One of your trainings is running"), queue.slot(anna, TWO):
            pass
        with pytest.raises(LimitError, match="1 training at once is allowed on this server"), queue.slot(bert, ONE):
            pass
    queue.advance(ONE)
    assert waiting.state == "running"
    assert list((workspace.root / "training-queue" / "slots").iterdir()) == []


def test_other_work_in_a_process_of_its_own_takes_a_slot(queue, anna, bert, processes):
    job = Job(anna.workspace.jobs / "search")

    def start():
        job.path.mkdir(parents=True)
        job.write_status(JobStatus(state="running"))

    with ExitStack() as alive:
        queue.start_beside(anna, job, ONE, lambda: (start(), alive.enter_context(job.hold("The search"))))
        assert submit(queue, bert).state == "queued"
    queue.advance(ONE)
    assert len(processes.started) == 1


def test_the_audit_log_has_starts_and_ends(queue, anna, workspace, processes):
    run = submit(queue, anna)
    processes.end(run)
    queue.advance(ONE)
    events = [entry.event for entry in AuditLog(workspace).last()]
    assert events == ["training ended", "training started", "training queued"]
