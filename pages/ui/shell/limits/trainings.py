"""Start, resume and stop trainings: at once in local mode, through the queue on a shared server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fer_core.config import TrainConfig
from fer_core.jobs import Job
from fer_core.serve.quota import TRAINING_BYTES, TRAINING_FILES
from fer_core.training.runs import Run
from pages.ui.shell import session
from pages.ui.shell.limits import Limits, limits


def start_training(config: TrainConfig, name: str | None, processes: int = 1) -> Run:
    """Start a training, or put it into the queue.

    Raises:
        FerError: it cannot start; the message says why.
    """
    now = limits()
    if now.user is None:
        from fer_core.training import background

        return background.start(config, name, workspace=session.workspace(), processes=processes)
    _require(now)
    return now.services.queue.submit(now.user, config, name, now.settings, processes)


def resume_training(run: Run) -> None:
    """Resume a training, or put it into the queue.

    Raises:
        FerError: it cannot be resumed; the message says why.
    """
    now = limits()
    if now.user is None:
        from fer_core.training import background

        background.resume(run, session.workspace())
        return
    _require(now)
    now.services.queue.resume(now.user, run, now.settings)


def stop_training(run: Run) -> None:
    """Ask a training to stop, or take it out of the queue.

    Raises:
        RunError: the request cannot be written.
    """
    now = limits()
    if now.user is None:
        run.request_stop()
    else:
        now.services.queue.cancel(now.user, run)


def position_text(run: Run) -> str:
    """Say where a queued run stands."""
    now = limits()
    position = now.services.queue.position_of(now.user, run.id) if now.user is not None else None
    if not position:
        return "The training starts soon."
    ahead = "It is the next one." if position == 1 else f"{position - 1} before it."
    return (
        f"Position {position} in the queue of this server. {ahead} It starts by itself, also when you close this page."
    )


def start_beside(job: Job, start: Callable[[], object]) -> None:
    """Start other work that trains networks; on a shared server, only if a slot is free.

    Args:
        job: the work, active once ``start`` returns.
        start: starts it.

    Raises:
        FerError: it cannot start; the message says why.
    """
    now = limits()
    if now.user is None:
        start()
        return
    _require(now)
    now.services.queue.start_beside(now.user, job, now.settings, start)


@contextmanager
def training_slot(now: Limits) -> Iterator[None]:
    """Hold a slot for trainings while the block runs, in any thread; nothing in local mode.

    Raises:
        LimitError: no slot is free.
    """
    if now.user is None:
        yield
        return
    with now.services.queue.slot(now.user, now.settings):
        yield


def _require(now: Limits) -> None:
    """Refuse a training for which there is no space, or too many in an hour."""
    now.require_space(TRAINING_BYTES, TRAINING_FILES, what="a training")
    now.count("training")
