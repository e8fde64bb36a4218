"""The two views of the Teach page, beside one picture: recording takes, and the live view with the own classes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.formatting import counted
from fer_core.teach import TAKES_ASKED
from pages.ui.components.full_screen import full_screen_button
from pages.ui.live.camera import camera, live_session, read_out
from pages.ui.live.controls import controls
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of
from pages.ui.shell.session import set_widget_value, state_of
from pages.ui.teach.classes import class_cards
from pages.ui.teach.figures import figures
from pages.ui.teach.files import from_files
from pages.ui.teach.keeping import choose_set, keep_or_delete, use_elsewhere
from pages.ui.teach.recording import is_recording, now_showing, recorder, save_finished
from pages.ui.teach.state import TeachState
from pages.ui.teach.training import base_model, keep_taught

if TYPE_CHECKING:
    from fer_core.teach import TakeStore, Taught

TAKES, LIVE = "takes", "live"
VIEW: Final = "teach-view"
"""Key of the choice between the two views."""
_VIEWS: Final = {TAKES: ":material/video_library: Takes", LIVE: ":material/sensors: Live"}
_SAMPLES: Final = ("happy", "surprise", "neutral")


def teach_page() -> None:
    """Draw title, picture, takes or live view, and the figures."""
    state = state_of(TeachState)
    store = state.set_of_takes()
    save_finished()  # a take may have ended while another page was open
    with st.container(horizontal=True, vertical_alignment="center", key="teach-head"):
        st.title("Teach", width="content")
        choice = st.container(width="content")
        full_screen_button()
    st.write("Teach a network your own expressions from short takes of your face, then see them live.")
    with st.container():  # always there, so that the video below keeps its place on the page
        if state.deleted:
            st.success(state.deleted, icon=":material/delete_forever:")
            state.deleted = ""
    with st.container(
        key="teach-grid", gap="medium"
    ):  # the style sheet puts its parts side by side where there is room
        video, side, below = st.container(), st.container(), st.container()
    with below, error_boundary("teaching your classes"):
        taught, current = keep_taught(store)
    with choice:
        view = _choose_view(state, store, taught if current else None, possible=taught is not None)
    model = taught.name if taught is not None else base_model(store)
    if model is None:
        with side:
            class_cards()
        return
    live = None  # it stays so if the model is damaged; then takes can still be changed, which teaches a new one
    with video, error_boundary("starting the live view"):
        live = live_session(state, model)
        live.show_to(recorder() if view == TAKES else None)
        camera(live, state, partial(_invite, view))
        if view == LIVE:
            controls(live, state)
    with side, error_boundary("drawing the takes"):
        if live is not None and taught is not None and view == LIVE:
            st.caption(f"**{plain(taught.name)}**, taught on {plain(taught.base)} with {counted(taught.takes, 'take')}")
            read_out(live, state)
        else:
            if live is not None:
                now_showing(live)
            class_cards()
    with below:
        _below(store, taught, view)


def _choose_view(state: TeachState, store: TakeStore, current: Taught | None, *, possible: bool) -> str:
    """Draw the choice once there is a model; the first one of enough takes turns the page to the live view by itself.

    Args:
        state: of the page.
        store: the set of takes.
        current: the model, if it was taught from the takes as they are now.
        possible: whether there is a model at all.
    """
    if not possible:
        return TAKES
    if is_recording():
        set_widget_value(VIEW, TAKES)
    elif (
        current is not None
        and store.name not in state.shown_live
        and all(count.takes >= TAKES_ASKED for count in current.per_class)
    ):
        state.shown_live.add(store.name)
        set_widget_value(VIEW, LIVE)
    return one_of("View", _VIEWS, key=VIEW)


def _below(store: TakeStore, taught: Taught | None, view: str) -> None:
    """Draw what needs no picture: figures, files and names."""
    if taught is not None:
        with error_boundary("drawing the figures"):
            figures(taught)
            use_elsewhere(taught, store)
    with error_boundary("reading the takes"):
        if view == TAKES:
            choose_set()
            from_files()
        keep_or_delete(store)


def _invite(view: str) -> None:
    """Draw what the classes may look like and how to start, while the camera is off."""
    st.image(_sample(), alt="Drawn faces that smile, are surprised, and rest", width="stretch")
    if view == LIVE:
        st.markdown("**Press START to see your own classes live.**")
        return
    st.markdown(
        "**Press START, then record three takes of each class.** Each take has a countdown and four seconds. Move a little "
        "between takes, and change the light or the place: a model is only as good as what it has not seen."
    )


@st.cache_data(show_spinner=False)
def _sample() -> npt.NDArray[np.uint8]:
    """Return drawn faces of the classes that are offered first, side by side, uint8 (H, W)."""
    from fer_core.data.synthetic import draw_face

    rng = np.random.default_rng(4)
    return np.hstack([draw_face(emotion, rng, size=360) for emotion in _SAMPLES])
