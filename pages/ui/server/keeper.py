"""What a shared server does by itself: it starts queued trainings, trims caches, and deletes what nobody can use."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fer_core.errors import FerError
from fer_core.serve.account import forget_visitors, sweep_deleted, sweep_downloads
from fer_core.serve.settings import ServeSettings, read_settings
from fer_core.serve.users import Users
from fer_core.workspace import Workspace
from pages.ui.shell import identity
from pages.ui.shell.errors import log_internal_error
from pages.ui.shell.limits import services
from pages.ui.shell.navigation import forget_pages_folder

_EVERY: Final = 2.0  # seconds between two looks at the queue
_TIDY_EVERY: Final = 60.0
_LOGGER = logging.getLogger(__name__)


@contextmanager
def keeper() -> Iterator[None]:
    """Keep a shared server while the block runs; trainings go on after it."""
    forget_pages_folder()
    ended = threading.Event()
    thread = threading.Thread(
        target=run_keeper, args=(identity.operator_workspace(), ended), name="keep the server", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_EVERY)


def run_keeper(workspace: Workspace, ended: threading.Event) -> None:
    """Work until ``ended`` is set; what goes wrong is logged and tried again.

    Args:
        workspace: the operator's workspace.
        ended: set it to stop.
    """
    shared, tidied, said = services(workspace), 0.0, ""
    begun = False
    while not ended.is_set():
        try:
            settings = read_settings(workspace)
            if not begun:
                sweep_downloads(workspace, older_than=0)
                sweep_deleted(Users(workspace).folder)
                shared.queue.recover()
                begun = True
            shared.queue.advance(settings)
            if time.monotonic() - tidied >= _TIDY_EVERY:
                tidied = time.monotonic()
                _tidy(workspace, settings)
        except FerError as error:  # a damaged setting, a full disk
            if str(error) != said:
                _LOGGER.error("The queue of trainings waits: %s", error)
            said = str(error)
        except Exception as error:
            log_internal_error(error, "keeping the server")
        else:
            said = ""
        ended.wait(_EVERY)


def _tidy(workspace: Workspace, settings: ServeSettings) -> None:
    shared = services(workspace)
    shared.quotas.trim(Users(workspace).by_key, settings)
    sweep_downloads(workspace)
    if identity.server_mode() == "open":
        for key in forget_visitors(Users(workspace), shared.queue, settings.visitor_hours):
            shared.audit.write(key, "deleted", "account")
