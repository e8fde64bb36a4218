from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_core.errors import WorkerError
from fer_core.jobs.workers import in_processes, processor_cores, worker_count
from tests.paths import PROJECT_ROOT


def add(shared: int, item: int) -> int:
    return shared + item


def add_or_die(folder: Path, item: int) -> int:
    """Count the attempts; item 3 always ends its process, item 5 the first time."""
    attempts = folder / str(item)
    attempts.write_text(attempts.read_text() + "x" if attempts.exists() else "x")
    if item == 3 or (item == 5 and len(attempts.read_text()) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def fail(_: None, item: int) -> int:
    raise ValueError(f"no {item}")


class Unpicklable:
    def __reduce__(self):
        return os.kill, (0, 10**6)  # raises where it is unpickled: the process never becomes ready


def lost(item: int) -> int:
    return -item


def test_a_process_per_core_but_none_for_little_work():
    assert worker_count(0, 8 * processor_cores()) == processor_cores()
    assert (worker_count(0, 8), worker_count(0, 7), worker_count(0, 0)) == (1, 1, 1)
    assert (worker_count(4, 2), worker_count(4, 1000)) == (2, 4)


def test_results_come_in_order_and_items_are_read_only_a_little_ahead():
    read = []

    def items():
        for number in range(60):
            read.append(number)
            yield number

    results = in_processes(add, 100, items(), 2, lost=lost)
    assert next(results) == 100
    assert len(read) <= 16
    assert list(results) == list(range(101, 160))


@pytest.mark.slow
def test_an_item_that_kills_its_process_is_given_up_and_the_others_are_computed_once(tmp_path):
    assert list(in_processes(add_or_die, tmp_path, range(8), 2, lost=lost)) == [0, 1, 2, -3, 4, 5, 6, 7]


def test_an_exception_of_the_function_is_raised_here():
    with pytest.raises(ValueError, match="no 0"):
        next(in_processes(fail, None, range(3), 2, lost=lost))


@pytest.mark.slow
def test_processes_that_do_not_start_are_named():
    with pytest.raises(WorkerError, match="--workers 1"):
        next(in_processes(add, Unpicklable(), range(3), 1, lost=lost))  # type: ignore[arg-type]


ENDLESS = """
import os, sys, time
from fer_core.jobs.workers import in_processes
from tests.core.jobs.test_workers import sleep
if __name__ == "__main__":
    for pid in in_processes(sleep, None, range(10**6), 2, lost=id):
        print(pid, flush=True)
"""


def sleep(_: None, item: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_processes_end_with_a_killed_parent(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        workers = {int(parent.stdout.readline()) for _ in range(4)}
        assert all(map(is_running, workers))
        parent.kill()
        deadline = time.monotonic() + 60
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_running, workers))
