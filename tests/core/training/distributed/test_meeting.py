"""The processes find each other and tell each other why one fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import TCPStore

from fer_core.errors import TrainingError
from fer_core.training.distributed.launch import Launch
from fer_core.training.distributed.meeting import Meeting


@pytest.fixture
def port():
    """The port of a store that outlives the processes, like that of ``torchrun``'s agent."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=20))
    yield store.port
    del store


def launch(rank: int, size: int, port: int) -> Launch:
    return Launch(rank, size, rank, size, 0, "127.0.0.1", port, False, "", "")


def together(size: int, port: int, work: Callable[[Meeting], object]) -> list[object]:
    """What ``work`` returns in each of the processes, here threads."""
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: work(Meeting(launch(rank, size, port), 20)), range(size)))


def test_each_gets_the_texts_of_all_in_order(port):
    found = together(3, port, lambda meeting: meeting.exchange("name", str(meeting.launch.rank)))
    assert found == [["0", "1", "2"]] * 3


def test_a_restart_reads_nothing_of_the_processes_before_it(port):
    assert together(2, port, lambda meeting: meeting.exchange("round", "first")) == [["first"] * 2] * 2
    with pytest.raises(TrainingError):
        Meeting(launch(1, 2, port), 0.2)  # one of a second start, killed before the others came
    assert together(2, port, lambda meeting: meeting.exchange("round", "third")) == [["third"] * 2] * 2
    assert together(3, port, lambda meeting: meeting.exchange("round", "more")) == [["more"] * 3] * 3


def test_the_others_learn_who_failed_and_why(port):
    def work(meeting: Meeting) -> str:
        if meeting.launch.rank == 1:
            meeting.fail("The disk is full.")
            return ""
        with pytest.raises(TrainingError) as refused:
            meeting.get("never")
        return str(refused.value)

    found = together(3, port, work)
    assert found[0] == found[2]
    assert str(found[0]).startswith("Process 1 on ")
    assert str(found[0]).endswith(": The disk is full.")


def test_a_process_that_does_not_come_is_named(port):
    with pytest.raises(TrainingError, match=r"Process 1 of 2 did not start in time\. Check that torchrun runs"):
        Meeting(launch(0, 2, port), 0.2)


def test_a_first_machine_that_does_not_answer_is_named():
    with pytest.raises(TrainingError, match=r"The first machine, 127\.0\.0\.1, does not answer on port 1\."):
        Meeting(launch(1, 2, 1), 0.5)
