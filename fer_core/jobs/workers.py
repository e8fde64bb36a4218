"""Worker processes on this machine: results in order, bounded memory, and nothing lost or doubled when one is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

from fer_core.errors import WorkerError

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD: Final = 8
"""Items per process that are handed out before the first of them is asked for; more would only fill the memory."""
_POLL: Final = 0.2  # seconds
_SUSPICIOUS: Final = 2
"""How often the processes may be lost with the same item first before that item gets a process of its own."""
_FATAL: Final = 3
"""How often an item may take its own process with it before it is given up."""
_STARTS: Final = 5
"""Attempts to start the processes in a row."""


def processor_cores() -> int:
    """Return the number of processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(asked: int, items: int) -> int:
    """Return the number of processes for ``items`` pieces of work.

    Args:
        asked: a number of processes, or 0 for one per core, but none for fewer than eight items: starting it takes longer.
        items: the pieces of work.
    """
    return max(1, min(asked, items) if asked else min(processor_cores(), items // 8))


@dataclass
class _Job(Generic[Item, Result]):
    item: Item
    future: Future[Result] | None = None
    deaths: int = 0  # times the processes were lost while this was the first unfinished item

    @property
    def is_finished(self) -> bool:
        """Whether there is a result, or an exception of the function itself."""
        future = self.future
        return future is not None and future.done() and not isinstance(future.exception(), BrokenProcessPool)


def in_processes(
    function: Callable[[Shared, Item], Result],
    shared: Shared,
    items: Iterable[Item],
    workers: int,
    *,
    lost: Callable[[Item], Result],
    ahead: int = _AHEAD,
    while_waiting: Callable[[], object] | None = None,
) -> Generator[Result]:
    """Yield ``function(shared, item)`` for each item, in order, computed in worker processes.

    Each process receives ``shared`` once, when it starts, and uses one thread. When a process is killed, all are started anew and
    the unfinished items are computed again. An item that kills its process repeatedly, even alone, yields ``lost(item)``.
    Processes end with the iteration, and with this process, however it ends.

    Args:
        function: a function of a module, so that another process can import it.
        shared: what it needs besides the item; it and the items must be picklable.
        items: read lazily, a few ahead of the results.
        workers: number of processes, at least 1.
        lost: the result of an item that cannot be computed.
        ahead: items per process that are handed out before the first of them is asked for.
        while_waiting: called several times a second while a result is not there yet, in the process of the caller.

    Raises:
        WorkerError: the processes do not start.
    """
    waiting: deque[_Job[Item, Result]] = deque()
    left = iter(items)
    pool = _start(shared, workers)
    try:
        while True:
            waiting.extend(_Job(item) for item in islice(left, workers * ahead - len(waiting)))
            if not waiting:
                return
            first = waiting[0]
            for job in list(waiting)[:1] if first.deaths >= _SUSPICIOUS else waiting:
                if job.future is None:
                    job.future = _submit(pool, function, job.item)
            assert first.future is not None
            try:
                while while_waiting and not wait([first.future], _POLL).done:
                    while_waiting()
                result = first.future.result()
            except BrokenProcessPool:
                first.deaths += 1
                pool.shutdown(wait=True, cancel_futures=True)
                pool = _start(shared, workers)
                for job in waiting:
                    if not job.is_finished:
                        job.future = None
                if first.deaths < _SUSPICIOUS + _FATAL:
                    continue
                result = lost(first.item)
            waiting.popleft()
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, function: Callable[[Shared, Item], Result], item: Item) -> Future[Result]:
    """Hand out an item; if the processes were lost meanwhile, its future says so."""
    try:
        return pool.submit(_compute, function, item)
    except BrokenProcessPool as error:
        broken: Future[Result] = Future()
        broken.set_exception(error)
        return broken


def _start(shared: object, workers: int) -> ProcessPoolExecutor:
    """Start processes and wait until the first one is ready.

    Raises:
        WorkerError: none becomes ready.
    """
    for _ in range(_STARTS):
        # Not forked: threads of ONNX Runtime and OpenCV do not survive a fork.
        pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_initialize, initargs=(shared,)
        )
        try:
            pool.submit(_is_ready).result()
            return pool
        except BrokenProcessPool:
            pool.shutdown(wait=True, cancel_futures=True)
    raise WorkerError(
        f"{workers} worker processes could not be started: they end before they are ready, perhaps for want of memory. "
        "Use fewer, or one: --workers 1."
    )


_received: Final[list[object]] = []  # in a worker process: what it received at its start


def _initialize(shared: object) -> None:
    """Prepare a worker process."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    threading.Thread(target=_end_with_parent, name="end with the parent", daemon=True).start()
    _received.append(shared)


def _end_with_parent() -> None:
    """End this process when its parent has ended, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _is_ready() -> bool:
    return True


def _compute(function: Callable[[Shared, Item], Result], item: Item) -> Result:
    (shared,) = _received
    return function(shared, item)  # type: ignore[arg-type]  # of the caller's type
