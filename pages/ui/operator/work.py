"""The running and waiting trainings of all users."""

from __future__ import annotations

import streamlit as st

from fer_core.serve.queue import Queued
from fer_core.serve.users import Users
from fer_core.training.runs import Run
from pages.ui.shell import identity
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.limits import Limits
from pages.ui.shell.runs import progress_text, state_badge


def work(now: Limits) -> None:
    """Draw each training with its user's key, and a button to stop it."""
    st.subheader("Trainings")
    show_pending_error()
    found = now.services.queue.trainings()
    if not found:
        st.caption("No training runs or waits.")
    for one in found:
        _entry(now, one)


def _entry(now: Limits, one: Queued) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"`{one.user}`", width="content")
        if not one.run:
            st.markdown("an experiment, or a search for suspect labels", width="content")
            return
        run = Run(Users(identity.operator_workspace()).by_key(one.user).workspace.runs / one.run)
        state = run.state
        state_badge(state)
        place = f"position {one.position} in the queue" if one.position else progress_text(run, state)[1]
        st.markdown(place, width="content")
        st.button(
            "Stop" if not one.position else "Take out of the queue",
            key=f"operator-stop-{one.user}-{one.run}",
            icon=":material/stop_circle:",
            type="tertiary",
            disabled=state in ("starting", "stopping"),
            on_click=guarded(_stop),
            args=(now, one),
        )


def _stop(now: Limits, one: Queued) -> None:
    """Stop a training; the user may resume it."""
    if not identity.is_operator():
        raise identity.NotSignedIn("Only operators may stop the trainings of others.")
    user = Users(identity.operator_workspace()).by_key(one.user)
    now.services.queue.cancel(user, Run(user.workspace.runs / one.run), "by the operator")
