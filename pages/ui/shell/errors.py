"""Errors shown calmly: what the user can mend in one sentence, our own defects with a reference to a log file."""

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

_LARGEST_LOG = 2_000_000  # bytes; older entries go to app.log.1


@contextmanager
def calm(doing: str) -> Iterator[None]:
    """Run a block of a page; whatever goes wrong in it becomes a sentence on the page, never a traceback.

    Args:
        doing: what the block does, to follow "while": ``loading the data``.
    """
    try:
        yield
    except FerError as error:
        st.error(plain(error), icon=":material/error:")
    except Exception as error:
        reference, log = record_defect(error, doing)
        where = f"The details are in {plain(log)} under the reference {reference}." if log else ""
        st.error(
            f"Something in FER Lab went wrong while {plain(doing)}. Your data and runs are untouched. {where}",
            icon=":material/report:",
        )


def calmly(action: Callable[..., None]) -> Callable[..., None]:
    """An ``on_click`` callback whose errors are kept for :func:`show_complaint` instead of ending in a traceback."""

    @functools.wraps(action)
    def guarded(*arguments: Any) -> None:
        try:
            action(*arguments)
        except FerError as error:
            session.complain(str(error))
        except Exception as error:
            reference, _ = record_defect(error, action.__name__)
            session.complain(f"Something in FER Lab went wrong. The details are in the log under {reference}.")

    return guarded


def show_complaint() -> bool:
    """Show the error a callback left, once; whether there was one."""
    message = session.take_complaint()
    if message:
        st.error(plain(message), icon=":material/error:")
    return message is not None


def log_file() -> Path:
    """Where defects of the app are recorded."""
    return session.workspace().logs / "app.log"


def record_defect(error: BaseException, doing: str) -> tuple[str, Path | None]:
    """Append the traceback to the log; returns the reference and the file, None where it cannot be written."""
    reference = secrets.token_hex(3).upper()
    entry = "".join(traceback.format_exception(error))
    text = f"--- {reference} {time.strftime('%Y-%m-%d %H:%M:%S')} while {doing}\n{entry}"
    path = log_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(_Log(path, maxBytes=_LARGEST_LOG, backupCount=1, encoding="utf-8", delay=True)) as log:
            log.emit(logging.makeLogRecord({"msg": text}))
    except OSError:
        return reference, None
    return reference, path


class _Log(RotatingFileHandler):
    """Raises what goes wrong, so that nobody is sent to a file in which nothing stands."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Called where writing failed, while the exception is handled."""
        raise  # noqa: PLE0704
