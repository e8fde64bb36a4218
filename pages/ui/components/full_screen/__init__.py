"""A full-screen button for the Webcam page, and the size of its video.

The browser shows the whole page in full screen, so that dialogs stay visible; the style sheet hides the menu then and
lets the video take the height of the screen. The script also reads the video's aspect ratio from the video library's
frame, which Python never learns, and hands it to the style sheet as ``--fer-aspect``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pages.ui.components.files import component

_HTML = '<button type="button" class="fer-full-screen" aria-pressed="false">Full screen</button>'


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "full_screen", _HTML)


def full_screen_button() -> None:
    """Show the button; the browser handles it without a rerun."""
    _component()(key="fer_full_screen", width="content")
