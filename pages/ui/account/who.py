"""Who uses this window, and the trainings of that user."""

from __future__ import annotations

from typing import Final

import streamlit as st

from fer_core.formatting import shortened
from fer_core.serve.users import User
from fer_core.training.runs import Run
from pages.ui.shell import identity
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.identity.gate import sign_out_button
from pages.ui.shell.limits import Limits
from pages.ui.shell.limits.trainings import position_text, stop_training
from pages.ui.shell.runs import state_badge

_LONGEST: Final = 80  # characters of a name or an address


def who() -> None:
    """Draw who is signed in, and a button to sign out."""
    found = identity.sign_in()
    if found is None:  # an open server
        st.caption(
            "Nobody signs in on this server. This browser has a workspace of its own until you close it; then nobody, you "
            "included, can reach it any more."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        address = f" · {plain(shortened(found.address, _LONGEST))}" if found.address else ""
        st.markdown(f"Signed in as **{plain(shortened(found.name, _LONGEST))}**{address}", width="content")
        sign_out_button(found, compact=True, key="account-sign-out")


def trainings(now: Limits, user: User) -> None:
    """Draw the running and waiting trainings of the user."""
    st.subheader("Trainings")
    show_pending_error()
    found = [one for one in now.services.queue.trainings(user) if one.run]
    if not found:
        st.caption("None of your trainings runs or waits.")
    for one in found:
        run = Run(user.workspace.runs / one.run)
        state = run.state
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(run.label.name)}**", width="content")
            state_badge(state)
            st.button(
                "Cancel" if one.position else "Stop",
                key=f"account-stop-{one.run}",
                icon=":material/close:" if one.position else ":material/stop_circle:",
                type="tertiary",
                disabled=state in ("starting", "stopping"),
                on_click=guarded(stop_training),
                args=(run,),
            )
        if one.position:
            st.caption(position_text(run))
    st.page_link("pages/train.py", label="Go to training", icon=":material/arrow_forward:")
