"""Expression mirror on the Webcam page: the choice between the faces and the game, and the game itself."""

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
from pages.ui.shell.errors import error_boundary, guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import widget_value
from pages.ui.webcam.diagnosis import doctor

FACES, MIRROR = "faces", "mirror"
_VIEWS: Final = {FACES: "Faces", MIRROR: "Expression mirror"}
CONTROLS: Final = "live-controls"
BESIDE: Final = "live-beside"
"""Keys of the two parts of the page that are redrawn on their own."""
_VIEW: Final = "live_view"
_LOOK_EVERY: Final = 0.3  # seconds between two looks at a running game


def choose_view(live: LiveSession) -> None:
    """What stands beside the picture. Only the parts that change are drawn anew, so that the video stays as it is."""
    st.segmented_control(
        "Beside the picture",
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
    """Whether the game was chosen."""
    return bool(widget_value(_VIEW) == MIRROR)


def _switch(live: LiveSession) -> None:
    if not shows_game():
        _stop(live, "You turned to the faces.")
    # When somebody comes back to the page its old choice counts as a change, before the parts exist: then the whole page
    # is about to be drawn.
    with suppress(StreamlitAPIException):
        st.rerun([BESIDE])


def game(live: LiveSession) -> None:
    """The game, in whatever state it is."""
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
    st.markdown("**Make the face that is asked for.**")
    st.write(
        f"{_how_many(len(classes))} in a new order. You have five seconds; what counts is the best "
        "probability you hold for a moment. At the end you get your pictures on one sheet."
    )
    _play_button(live, "Play")
    st.caption(
        "The score says how sure this network is, not what you feel. The pictures are kept in memory until the next game or "
        "until this window is closed; they are written nowhere unless you download them."
    )


def _how_many(classes: int) -> str:
    """What is asked for, for a model with this many classes."""
    if classes <= MAX_ROUNDS + 1:
        return "Each expression the network knows is asked for once,"
    return f"{MAX_ROUNDS} of the network's {classes} classes are asked for,"


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
    """Looks at the game three times a second; when it is over the page is drawn anew, which ends these looks."""
    current = live.game
    if current is None or current.over:
        st.rerun()
    rates = live.stats()
    doctor(live, rates)
    scene = current.state()
    game_board(scene, coming=rates.shown > 0)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Skip",
            icon=":material/skip_next:",
            help="Ends this round now; what you reached counts.",
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
            st.button("Discard the pictures", icon=":material/delete:", key="game-forget", on_click=live.discard_game)
        st.caption("The score says how sure this network is, not what you feel.")
    else:
        _play_button(live, "Play again")


def _rounds_played(scene: GameState) -> str:
    if not scene.played:
        return "No round was over."
    return f"{len(scene.played)} of {scene.rounds} rounds were over; they stand below."
