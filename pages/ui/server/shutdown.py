"""Shutdown: on Ctrl+C and SIGTERM, the server closes its connections, cleans up and exits with status 0."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial
from types import FrameType
from typing import Any

import streamlit as st
import typer

from pages.ui.shell import identity


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Lifespan for ``st.App``: starts before the server listens, and resumes after its connections are closed."""
    take_over_signals()
    with _kept():
        yield
    _close_recordings()
    typer.secho("  Stopping...", fg="blue")


def _kept() -> AbstractContextManager[None]:
    """Return what keeps a shared server while it runs; in local mode nothing is loaded for it."""
    if identity.server_mode() == "local":
        return nullcontext()
    from pages.ui.server.keeper import keeper

    return keeper()


def _close_recordings() -> None:
    """Finish what is being recorded, so that the files are whole; trainings are processes of their own and go on."""
    from pages.ui.shell.limits import services

    services(identity.operator_workspace()).close_recordings()


def take_over_signals() -> None:
    """Handle the two signals instead of uvicorn, which serves an ``st.App`` under ``streamlit run``.

    Once it has shut down, uvicorn (0.54) sends itself the signal that it got: Ctrl+C then ends in "Aborted!" and status
    1, and SIGTERM kills the process before Python cleans up (``atexit``). Its handler is a method of the server, whose
    ``should_exit`` is the documented way to stop it. Under any other server nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        server = getattr(handler, "__self__", None)
        if callable(handler) and hasattr(server, "should_exit"):
            signal.signal(number, partial(_end, server, handler))


def _end(
    server: Any, uvicorn_handler: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None
) -> None:
    """Request a shutdown; uvicorn handles a second Ctrl+C and then exits without waiting."""
    if server.should_exit and number == signal.SIGINT:
        uvicorn_handler(number, frame)
    server.should_exit = True
