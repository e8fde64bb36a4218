"""The newest lines of the audit log."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Final

import streamlit as st

from pages.ui.shell.limits import Limits

_LINES: Final = 200


def audit_log(now: Limits) -> None:
    """Draw the newest events, newest first."""
    st.subheader("Audit log")
    entries = now.services.audit.last(_LINES)
    if not entries:
        st.caption("Nothing has happened yet.")
        return
    st.dataframe(
        [{"time": _moment(one.time), "user": one.user, "event": one.event, "detail": one.detail} for one in entries],
        hide_index=True,
    )
    st.caption(f"The newest first, at most {_LINES}. All events are in logs/audit.jsonl of the server's workspace.")


def _moment(written: str) -> str:
    """Return a time of the log as the other tables show it, or as it stands there if it is not one."""
    with suppress(ValueError):
        return datetime.fromisoformat(written).strftime("%Y-%m-%d %H:%M:%S UTC")
    return written
