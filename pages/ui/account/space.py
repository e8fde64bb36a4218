"""The space of the user: how full it is, what fills it, and what can be deleted at once."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.formatting import counted
from fer_core.serve.quota import DELETABLE, delete_kind
from fer_core.serve.users import User
from fer_core.store import format_size
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.limits import Limits

_KINDS: Final[dict[str, str]] = {
    "runs": "Trainings",
    "uploads": "Uploaded data sets and videos",
    "recordings": "Recordings, snapshots and annotated videos",
    "takes": "Takes of your own classes",
    "taught": "Models with your own classes",
    "predictions": "Tables of photo folders",
    "jobs": "Searches for suspect labels",
    "marks": "Corrected labels",
    "cache": "Cache, which can be computed again",
}
"""Folder of a workspace -> what a user calls its content."""
_FULL: Final = 0.9  # share of the quota from which a sentence says what to do


def space(now: Limits, user: User) -> None:
    """Draw a bar, and the kinds of files with what they take."""
    st.subheader("Your space")
    show_pending_error()
    used, settings = now.services.quotas.usage(user), now.settings
    share = used.share(settings)
    st.progress(
        share,
        text=f"{format_size(used.bytes)} of {format_size(settings.user_bytes)} in use · {used.files:,} of "
        f"{counted(settings.user_files, 'file')}",
    )
    if share >= _FULL:
        st.warning(
            "Your space is almost full. Delete runs you no longer need on the Train page, takes on the Teach page, and the "
            "rest here. The oldest cache is deleted by itself.",
            icon=":material/warning:",
        )
    for kind, (files, size) in sorted(used.kinds.items(), key=lambda item: -item[1][1]):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"{_KINDS.get(kind, 'Settings and others')}: **{format_size(size)}**, {counted(files, 'file')}",
                width="content",
            )
            if kind in DELETABLE:
                with st.popover("Delete", icon=":material/delete:", type="tertiary"):
                    st.write(f"Delete all of it? {_consequence(kind)}")
                    st.button(
                        "Delete permanently",
                        type="primary",
                        key=f"delete-{kind}",
                        on_click=guarded(_delete),
                        args=(now, user, kind),
                    )


def _consequence(kind: str) -> str:
    if kind == "cache":
        return "The next steps take longer."
    return "Trainings on an uploaded data set cannot be resumed then." if kind == "uploads" else "It cannot be undone."


def _delete(now: Limits, user: User, kind: str) -> None:
    try:
        delete_kind(user.workspace, kind)
    finally:
        now.changed()
    now.note("deleted")
