"""Errors on pages: one sentence for what a user can fix, and a log reference for an internal error."""

from __future__ import annotations

import functools
import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.errors import FerError
from pages.ui.shell import session
from pages.ui.shell.formatting import plain
from pages.ui.shell.identity import operator_workspace, server_mode

_MAX_LOG_BYTES = 2_000_000
"""Size at which the log rotates; the previous one is ``app.log.1``."""


@contextmanager
def error_boundary(action: str) -> Iterator[None]:
    """Run a block of a page and show any exception as a sentence instead of a traceback.

    Args:
        action: What the block does, to follow "while": ``loading the data``.
    """
    try:
        yield
    except FerError as error:
        st.error(plain(error), icon=":material/error:")
    except Exception as error:
        reference, log = log_internal_error(error, action)
        where = "the server's log" if server_mode() != "local" else log
        details = f" The details are in {plain(where)}, reference {reference}." if log else ""
        st.error(f"Internal error while {plain(action)}.{details}", icon=":material/report:")


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Wrap an ``on_click`` callback: :func:`show_pending_error` shows its exceptions after the rerun."""

    @functools.wraps(callback)
    def run(*arguments: Any) -> None:
        try:
            callback(*arguments)
        except FerError as error:
            session.push_error(str(error))
        except Exception as error:
            reference, _ = log_internal_error(error, callback.__name__)
            session.push_error(f"Internal error. The details are in the log, reference {reference}.")

    return run


def show_pending_error() -> bool:
    """Show the error that a callback left; returns whether there was one."""
    message = session.pop_pending_error()
    if message:
        st.error(plain(message), icon=":material/error:")
    return message is not None


def error_log() -> Path:
    """Path of the log of internal errors, which is for those who run the server: tracebacks name files."""
    return operator_workspace().logs / "app.log"


def log_internal_error(error: BaseException, action: str) -> tuple[str, Path | None]:
    """Append a traceback to the log; returns its reference and the file, or None if the file cannot be written.

    On a shared server the messages of the errors are left out: they may name files, photographs and people.
    """
    reference = secrets.token_hex(3).upper()
    lines = traceback.format_exception(error) if server_mode() == "local" else _without_messages(error)
    entry = "".join(lines)
    text = f"--- {reference} {time.strftime('%Y-%m-%d %H:%M:%S')} while {action}\n{entry}"
    path = error_log()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(_Log(path, maxBytes=_MAX_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)) as log:
            log.emit(logging.makeLogRecord({"msg": text}))
    except OSError:
        return reference, None
    return reference, path


def _without_messages(error: BaseException) -> Iterator[str]:
    """Yield the lines of a traceback and of its causes, with the types of the errors but not their messages."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _without_messages(cause)
        yield "\nThen:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__qualname__}\n"


class _Log(RotatingFileHandler):
    """A handler that raises its errors, so that no message refers to an entry that was not written."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Re-raise the exception of a failed write."""
        raise  # noqa: PLE0704
