"""The users of the server: keys, space, last activity."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from fer_core.serve.quota import Usage
from fer_core.serve.users import User, Users
from fer_core.store import format_size
from pages.ui.shell import identity
from pages.ui.shell.limits import Limits


@dataclass(frozen=True, slots=True)
class UserUsage:
    """A user and what they keep."""

    user: User
    usage: Usage


def users(now: Limits) -> list[UserUsage]:
    """Count the files of all users, the largest first."""
    with st.spinner("Counting the files of all users…"):
        found = [UserUsage(user, now.services.quotas.usage(user)) for user in Users(identity.operator_workspace())]
    return sorted(found, key=lambda one: -one.usage.bytes)


def totals(now: Limits, found: Sequence[UserUsage]) -> None:
    """Draw the totals of the server, and the table of users."""
    root = identity.operator_workspace().root
    disk = shutil.disk_usage(root if root.exists() else root.parent)
    queue, cameras = now.services.queue.trainings(), now.services.cameras
    figures = {
        "Users": f"{len(found):,}",
        "Their files": f"{sum(one.usage.files for one in found):,}",
        "Their space": format_size(sum(one.usage.bytes for one in found)),
        "Disk free": f"{format_size(disk.free)} of {format_size(disk.total)}",
        "Trainings": f"{sum(not one.position for one in queue)} of {now.settings.trainings}",
        "Waiting": f"{sum(bool(one.position) for one in queue)}",
        "Cameras": f"{cameras.count()} of {now.settings.cameras}",
    }
    with st.container(horizontal=True, gap="medium"):
        for title, value in figures.items():
            st.metric(title, value, width="content")
    st.subheader("Users")
    if not found:
        st.caption("Nobody has written anything yet.")
        return
    st.dataframe(
        [
            {
                "user": one.user.key,
                "last change": _moment(one.usage.changed),
                "space": format_size(one.usage.bytes),
                "quota in use": one.usage.share(now.settings),
                "files": one.usage.files,
                "running": sum(entry.user == one.user.key and not entry.position for entry in queue),
                "waiting": sum(entry.user == one.user.key and bool(entry.position) for entry in queue),
                "cameras": cameras.count(one.user.key),
            }
            for one in found
        ],
        column_config={"quota in use": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
        hide_index=True,
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "—"
