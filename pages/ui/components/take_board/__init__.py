"""The board of a take: what the camera shows now, the seconds left, and the faces kept so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from fer_core.images import base64_png
from fer_core.live import TakeState
from fer_core.live.takes import COUNTDOWN, SECONDS
from pages.ui.components.files import component

_HTML: Final = '<div class="fer-take"></div>'
_OFF: Final = "Press START under the picture to turn the camera on."
_SILENT: Final = "The camera sends no frames. Press STOP, then START."
_READY: Final = "One sharp face. Ready to record."


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "take_board", _HTML)


def take_board(state: TakeState, color: str, advice: Mapping[str, str], *, playing: bool) -> None:
    """Draw the board.

    Args:
        state: of the recorder.
        color: of the class being recorded, ``#rrggbb``.
        advice: reason why a frame is not kept -> a sentence.
        playing: whether the video plays.
    """
    _component()(key="fer_take_board", data=board_data(state, color, advice, playing=playing))


def board_data(state: TakeState, color: str, advice: Mapping[str, str], *, playing: bool) -> dict[str, Any]:
    """Return the data of the component."""
    if not state.coming:
        hint = _SILENT if playing else _OFF
    elif state.reason is not None:
        hint = advice.get(state.reason, f"Not kept: {state.reason}.")
    else:
        hint = _READY if state.phase == "idle" else ""
    length = COUNTDOWN if state.phase == "countdown" else SECONDS
    seconds = max(1, -int(-state.left // 1))
    title = {
        "idle": "",
        "countdown": f"Get ready: {state.class_name} in {seconds} s",
        "recording": f"Keep showing {state.class_name}: {seconds} s",
    }[state.phase]
    return {
        "phase": state.phase,
        "good": state.coming and state.reason is None,
        "title": title,
        "hint": hint,
        "color": color,
        "left": round(min(1.0, state.left / length), 3),
        "count": f"{state.kept} face{'' if state.kept == 1 else 's'} kept" if state.phase == "recording" else "",
        "faces": [base64_png(face) for face in state.faces],
    }
