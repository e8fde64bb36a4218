"""Why a camera does not work, asked in the browser: Python never learns it from the video library.

The component asks for the camera as the video library will, lets go of it at once, and returns the name of what the
browser says. It asks by itself only where that opens no prompt; otherwise when the button is pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from pages.ui.components.files import component

_HTML = '<button type="button" class="fer-check">Check the camera</button><span class="fer-check-note" role="status"></span>'

ADVICE: Final[dict[str, str]] = {
    "NotAllowedError": (
        "The browser may not use the camera. Click the camera or lock symbol beside the address, allow the camera for "
        "this page, and press START again. On macOS and Windows the system's privacy settings must allow it, too."
    ),
    "NotFoundError": "The browser finds no camera. Plug one in, or use a photograph or a video file instead.",
    "NotReadableError": (
        "The camera is there but another program holds it (a video call, say). Close that program and check again."
    ),
    "AbortError": "The camera stopped while it was being opened. Unplug it, plug it in again, and check again.",
    "OverconstrainedError": "The camera offers no picture of a usable size. Try another camera.",
    "SecurityError": "The browser's settings forbid cameras on this page. Ask whoever administers this computer.",
    "InsecureContext": (
        "The browser gives cameras only to pages on this machine (localhost) or over HTTPS, and this page is neither. "
        "Open http://localhost on the machine itself, or serve FER Lab over HTTPS (docs/webcam.md says how)."
    ),
    "NotSupported": "This browser cannot use cameras. Try a current Firefox, Chrome, Edge or Safari.",
}
"""What each answer of the browser means, and what to do."""


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "camera_check", _HTML)


def camera_check(*, playing: bool) -> str | None:
    """Show the button; returns advice when the browser says that the camera does not work, else None."""
    answer = _component()(key="fer_camera_check", data={"playing": playing}, on_answer_change=lambda: None).answer
    name = str(answer.get("name", "")) if answer else ""
    if not name or name == "ok":
        return None
    return ADVICE.get(name, f"The browser could not open the camera ({name}). Try another browser or camera.")
