"""Expression mirror: the choice between faces and game on the Webcam page, and the game."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Final

import streamlit as st
from streamlit.errors import StreamlitAPIException

from fer_core.images import png
from fer_core.live import GameState, LiveSession, photo_strip
from fer_core.live.game import MAX_ROUNDS, unplayable_reason
from pages.ui.components.game_board import game_board
from pages.ui.live.diagnosis import doctor
from pages.ui.shell.errors import error_boundary, guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_of, widget_value
from pages.ui.webcam.state import WebcamState

FACES, MIRROR = "faces", "mirror"
_VIEWS: Final = {FACES: "Faces", MIRROR: "Expression mirror"}
BESIDE: Final = "live-beside"
"""Key of the side panel, which is redrawn on its own."""
_VIEW: Final = "live_view"
_LOOK_EVERY: Final = 0.3  # seconds between two polls of a running game


def choose_view(live: LiveSession) -> None:
    """Draw the choice of the side panel; only the panel reruns, so that the video continues."""
    st.segmented_control(
        "Side panel",
        list(_VIEWS),
        format_func=_VIEWS.__getitem__,
        default=FACES,
        required=True,
        key=_VIEW,
        label_visibility="collapsed",
        on_change=_switch,
        args=(live,),
    )


def shows_game() -> bool:
    """Whether the game is selected."""
    return bool(widget_value(_VIEW) == MIRROR)


def _switch(live: LiveSession) -> None:
    if not shows_game():
        _stop(live, "You switched to the faces.")
    # After a return to the page, its old choice counts as a change before the fragments exist; the whole page is then
    # about to run.
    with suppress(StreamlitAPIException):
        st.rerun([BESIDE])


def game(live: LiveSession) -> None:
    """Draw the game in its current state."""
    show_pending_error()
    with error_boundary("playing the expression mirror"):
        current = live.game
        if current is None:
            _invitation(live)
        elif current.over:
            _result(live, current.state())
        else:
            st.fragment(_running, run_every=_LOOK_EVERY)(live)


def _invitation(live: LiveSession) -> None:
    classes = live.classes()
    if why := unplayable_reason(classes):
        st.info(plain(why), icon=":material/info:")
        return
    st.markdown("**Make the requested face.**")
    st.write(
        f"{_how_many(len(classes))} in random order. You have five seconds per round; the best probability that you "
        "hold for a moment counts. At the end you get a photo strip."
    )
    _play_button(live, "Play")
    st.caption(
        "The score is the confidence of this network, not what you feel. The photos stay in memory until the next game or "
        "until you close this window, unless you download them."
    )


def _how_many(classes: int) -> str:
    """Return how many classes a game requests."""
    if classes <= MAX_ROUNDS + 1:
        return "The game requests each expression of the network once,"
    return f"The game requests {MAX_ROUNDS} of the network's {classes} classes,"


def _play_button(live: LiveSession, label: str) -> None:
    st.button(
        label, type="primary", icon=":material/play_arrow:", key="game-play", on_click=guarded(_play), args=(live,)
    )


def _play(live: LiveSession) -> None:
    live.play(secrets.randbelow(2**32))


def _stop(live: LiveSession, why: str) -> None:
    current = live.game
    if current is not None:
        current.stop(why)


def _running(live: LiveSession) -> None:
    """Draw the running game three times a second; reruns the page at its end, which stops the polling."""
    current = live.game
    if current is None or current.over:
        st.rerun()
    rates = live.stats()
    doctor(live, state_of(WebcamState), rates)
    scene = current.state()
    game_board(scene, coming=rates.shown > 0)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Skip",
            icon=":material/skip_next:",
            help="Ends this round; your best score counts.",
            key="game-skip",
            on_click=current.skip,
            args=(scene.number,),
        )
        st.button("Stop", icon=":material/stop:", key="game-stop", on_click=current.stop)


def _result(live: LiveSession, scene: GameState) -> None:
    played = scene.played
    if scene.ended:
        st.info(f"{plain(scene.ended)} {_rounds_played(scene)}", icon=":material/info:")
    if played:
        most = 100 * len(played)
        st.markdown(f"### {scene.total} of {most}")
        sheet = png(photo_strip(played, scene.classes))
        said = ", ".join(f"{plain(r.target)} {r.score}" for r in played)
        st.image(sheet, caption=said, width="stretch")
        stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M")
        with st.container(horizontal=True, gap="small"):
            _play_button(live, "Play again")
            st.download_button(
                "Download photo strip (PNG)",
                sheet,
                f"expression mirror {stamp}, {scene.total} of {most}.png",
                "image/png",
                icon=":material/download:",
                on_click="ignore",
                key="game-download",
            )
            st.button("Discard photos", icon=":material/delete:", key="game-forget", on_click=live.discard_game)
        st.caption("The score is the confidence of this network, not what you feel.")
    else:
        _play_button(live, "Play again")


def _rounds_played(scene: GameState) -> str:
    if not scene.played:
        return "No round was finished."
    return f"{len(scene.played)} of {scene.rounds} rounds were finished; see below."
