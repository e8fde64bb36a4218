"""Expression mirror on the Webcam page: the choice between the faces and the game, and the game itself."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import streamlit as st
from streamlit.errors import StreamlitAPIException

from fer_core.classes import COLOURS, EMOTIONS
from fer_core.images import png
from fer_core.live import LiveSession, Scene, photo_strip
from pages.ui.shell.errors import calm, calmly, show_complaint
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import widget_value
from pages.ui.webcam.diagnosis import doctor

FACES, MIRROR = "faces", "mirror"
_VIEWS: Final = {FACES: "Faces", MIRROR: "Expression mirror"}
CONTROLS: Final = "live-controls"
BESIDE: Final = "live-beside"
"""Names of the two parts of the page that look different while the game is shown."""
_VIEW: Final = "live_view"
_LOOK_EVERY: Final = 0.3  # seconds between two looks at a running game

_HTML = '<div class="fer-game"></div>'
_CSS = """
.fer-game { display: grid; gap: 0.6rem; color: var(--st-text-color); }
.fer-game p { margin: 0; }
.fer-game .row { display: flex; justify-content: space-between; gap: 1rem; font-size: 0.9rem;
  font-variant-numeric: tabular-nums; }
.fer-game .asked { border-left: 0.6rem solid var(--colour); padding-left: 0.8rem; }
.fer-game .asked small { display: block; font-size: 0.9rem; }
.fer-game .asked strong { font-size: 2.6rem; line-height: 1.15; font-weight: 650; }
.fer-game .bar { position: relative; height: 1.4rem; border-radius: 0.4rem; overflow: hidden;
  background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color); }
.fer-game .bar i, .fer-game .time i { display: block; width: 100%; height: 100%; transform-origin: left;
  transition: transform 0.3s linear; background: var(--colour); }
.fer-game .bar b { position: absolute; top: 0; bottom: 0; width: 100%; transition: transform 0.3s linear; }
.fer-game .bar b::before { content: ""; position: absolute; left: -3px; top: 0; bottom: 0; width: 3px;
  background: var(--st-text-color); }
.fer-game .time { height: 0.3rem; border-radius: 0.15rem; overflow: hidden; background: var(--st-secondary-background-color); }
.fer-game .time i { background: var(--st-primary-color); }
.fer-game .note { min-height: 1.4em; font-size: 0.9rem; }
@media (prefers-reduced-motion: reduce) { .fer-game i, .fer-game b { transition: none !important; } }
"""
_JS = """
function board(root) {
  const make = (tag, name, parent) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    parent.append(element);
    return element;
  };
  const first = make("div", "row", root);
  const round = make("span", "", first), clock = make("span", "", first);
  const asked = make("p", "asked", root);
  asked.setAttribute("role", "status");
  const what = make("small", "", asked), name = make("strong", "", asked), hint = make("small", "", asked);
  const time = make("i", "", make("div", "time", root));
  const bar = make("div", "bar", root);
  bar.setAttribute("role", "meter");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const now = make("i", "", bar), best = make("b", "", bar);
  const last = make("div", "row", root);
  const nowText = make("span", "", last), bestText = make("span", "", last);
  const note = make("p", "note", root);
  note.setAttribute("role", "status");
  return {round, clock, what, name, hint, time, bar, now, best, nowText, bestText, note};
}

// A status is read out when it changes, so it is not touched otherwise.
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const boards = new WeakMap();

export default function ({data, parentElement}) {
  const root = parentElement.querySelector(".fer-game");
  if (!boards.has(root)) boards.set(root, board(root));
  const shown = boards.get(root);
  root.style.setProperty("--colour", data.colour);
  say(shown.round, data.round);
  say(shown.clock, data.clock);
  say(shown.what, data.what);
  say(shown.name, data.asked);
  say(shown.hint, data.hint);
  say(shown.nowText, `now ${data.now}`);
  say(shown.bestText, `best held ${data.best}`);
  say(shown.note, data.note);
  shown.time.style.transform = `scaleX(${data.left})`;
  shown.now.style.transform = `scaleX(${data.now / 100})`;
  shown.best.style.transform = `translateX(${data.best}%)`;
  shown.bar.setAttribute("aria-label", `How sure the network is of ${data.asked}, in percent`);
  shown.bar.setAttribute("aria-valuenow", data.now);
}
"""


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("fer_game", html=_HTML, js=_JS, css=_CSS, isolate_styles=False)


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
        st.rerun([CONTROLS, BESIDE])


def game(live: LiveSession) -> None:
    """The game, in whatever state it is."""
    show_complaint()
    with calm("playing the expression mirror"):
        current = live.game
        if current is None:
            _invitation(live)
        elif current.over:
            _result(live, current.scene())
        else:
            st.fragment(_running, run_every=_LOOK_EVERY)(live)


def _invitation(live: LiveSession) -> None:
    st.markdown("**Make the face that is asked for.**")
    st.write(
        "Each expression the network knows is asked for once, in a new order. You have five seconds; what counts is the best "
        "probability you hold for a moment. At the end you get your pictures on one sheet."
    )
    _play_button(live, "Play")
    st.caption(
        "The score says how sure this network is, not what you feel. The pictures are kept in memory until the next game or "
        "until this window is closed; they are written nowhere unless you download them."
    )


def _play_button(live: LiveSession, label: str) -> None:
    st.button(
        label, type="primary", icon=":material/play_arrow:", key="game-play", on_click=calmly(_play), args=(live,)
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
    rates = live.rates()
    doctor(live, rates)
    scene = current.scene()
    _component()(key="fer_game", data=board_data(scene, coming=rates.shown > 0))
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


def board_data(scene: Scene, *, coming: bool) -> dict[str, Any]:
    """What the component draws.

    Args:
        scene: of a game that is not over.
        coming: whether pictures come from the camera.
    """
    playing = scene.phase == "play"
    hints = {emotion.name: re.sub(r" \(AU[^)]*\)", "", emotion.action_units) for emotion in EMOTIONS}
    note = scene.note
    if not coming and "START" not in note:
        note = "No picture comes from the camera. Press START under the picture; the game waits."
    return {
        "round": f"Round {scene.number} of {scene.rounds}",
        "clock": f"{-(-scene.left // 1):.0f} s",
        "what": "Show" if playing else "Get ready to show",
        "asked": scene.asked,
        "hint": hints.get(scene.asked, ""),
        "colour": COLOURS.get(scene.asked, "#8A8A8A"),
        "left": round(scene.left / scene.length, 3),
        "now": round(100 * scene.now),
        "best": round(100 * scene.best),
        "note": note,
    }


def _result(live: LiveSession, scene: Scene) -> None:
    played = scene.played
    if scene.ended:
        st.info(f"{plain(scene.ended)} {_rounds_played(scene)}", icon=":material/info:")
    if played:
        most = 100 * len(played)
        st.markdown(f"### {scene.total} of {most}")
        sheet = png(photo_strip(played))
        said = ", ".join(f"{plain(r.asked)} {r.score}" for r in played)
        st.image(sheet, caption=said, width="stretch")
        stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M")
        with st.container(horizontal=True, gap="small"):
            _play_button(live, "Play again")
            st.download_button(
                "Download",
                sheet,
                f"expression mirror {stamp}, {scene.total} of {most}.png",
                "image/png",
                icon=":material/download:",
                on_click="ignore",
                key="game-download",
            )
            st.button("Discard the pictures", icon=":material/delete:", key="game-forget", on_click=live.forget_game)
        st.caption("The score says how sure this network is, not what you feel.")
    else:
        _play_button(live, "Play again")


def _rounds_played(scene: Scene) -> str:
    if not scene.played:
        return "No round was over."
    return f"{len(scene.played)} of {scene.rounds} rounds were over; they stand below."
