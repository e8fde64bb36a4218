"""The board of the expression mirror: requested class, time left and current probability."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from fer_core.classes import find_emotion
from fer_core.live import GameState
from pages.ui.components.files import component

_HTML: Final = '<div class="fer-game"></div>'


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "game_board", _HTML)


def game_board(scene: GameState, *, coming: bool) -> None:
    """Draw the board of a running game; ``coming`` is False if the camera sends no frames."""
    _component()(key="fer_game_board", data=board_data(scene, coming=coming))


def board_data(scene: GameState, *, coming: bool) -> dict[str, Any]:
    """Return the data of the component.

    Args:
        scene: of a game that is not over.
        coming: whether the camera sends frames.
    """
    playing = scene.phase == "play"
    emotion = find_emotion(scene.target)
    note = scene.note
    if not coming and "START" not in note:
        note = "The camera sends no frames. Press START under the video; the game waits."
    return {
        "round": f"Round {scene.number} of {scene.rounds}",
        "clock": f"{-(-scene.left // 1):.0f} s",
        "what": "Show" if playing else "Get ready to show",
        "asked": scene.target,
        "hint": re.sub(r" \(AU[^)]*\)", "", emotion.action_units) if emotion else "",
        "color": scene.classes.color(scene.target),
        "left": round(scene.left / scene.length, 3),
        "now": round(100 * scene.now),
        "best": round(100 * scene.best),
        "note": note,
    }
