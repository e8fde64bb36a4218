"""Everything of the user at once: downloaded as a zip, or deleted."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.serve import account
from fer_core.serve.account import DOWNLOAD_SECONDS, download_path
from fer_core.serve.users import User
from fer_core.store import format_size
from fer_core.workspace import atomic_write
from pages.ui.shell import identity, session
from pages.ui.shell.background import Report, Stop, Task, background
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.identity.gate import sign_out
from pages.ui.shell.limits import Limits
from pages.ui.shell.session import widget_value

ADDRESS: Final = "account/data.zip"
"""Where a browser gets the zip, relative to the page; see ``pages/ui/server/download.py``."""
_WORD: Final = "delete"
_TYPED: Final = "account-delete-word"
_EXPORT: Final = "account-export"


def download_data(now: Limits, user: User) -> None:
    """Draw the button that makes a zip of everything, its progress, and the link to it."""
    st.subheader("Download my data")
    st.caption(
        "A zip of everything you keep on this server: trainings, uploads, takes, recordings, marks and settings, without "
        f"caches. The zip is deleted after {DOWNLOAD_SECONDS / 60:.0f} minutes."
    )
    path = download_path(identity.operator_workspace(), user)

    def prepare() -> Task:
        def task(report: Report, stop: Stop) -> int:
            with atomic_write(path) as file:
                return account.export(user.workspace, file, progress=report, stop=stop)

        return task

    background(
        _EXPORT,
        user.key,
        "Prepare the zip",
        prepare,
        doing="preparing your data, in bytes",
        icon=":material/folder_zip:",
    )
    if path.is_file():
        st.link_button(
            f"Download ({format_size(path.stat().st_size)})", ADDRESS, icon=":material/download:", type="primary"
        )


def delete_account(now: Limits, user: User) -> None:
    """Draw the deletion of everything, which must be confirmed by typing a word."""
    st.subheader("Delete my account")
    st.caption(
        "Stops your trainings and deletes every file you keep on this server. It cannot be undone. The audit log keeps that "
        "the account with your key was deleted."
    )
    show_pending_error()
    with st.form("account-delete", border=False, clear_on_submit=True):
        st.text_input(f"Type the word {_WORD} to confirm", key=_TYPED, width=260)
        st.form_submit_button(
            "Delete my account", icon=":material/delete_forever:", on_click=guarded(_delete), args=(now, user)
        )


def _delete(now: Limits, user: User) -> None:
    if str(widget_value(_TYPED) or "").strip().lower() != _WORD:
        session.push_error(f"Nothing was deleted. Type the word {_WORD}, then press the button.")
        return
    account.delete(user, now.services.queue)
    download_path(identity.operator_workspace(), user).unlink(missing_ok=True)
    now.changed()
    now.note("deleted", "account")
    # Photos and faces of this user may be among what the windows of the server share in memory.
    st.cache_resource.clear()
    st.cache_data.clear()
    session.clear()
    session.notify("Your account and all its files were deleted.")
    if (found := identity.sign_in()) is not None:
        sign_out(found)
