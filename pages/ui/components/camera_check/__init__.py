"""Check in the browser whether the camera works; the video library does not report errors to Python.

The component requests the camera like the video library, releases it, and returns the name of the browser's error. It
runs automatically only if that opens no permission prompt, else when the button is pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from pages.ui.components.files import component

_HTML = '<button type="button" class="fer-check">Check the camera</button><span class="fer-check-note" role="status"></span>'

ADVICE: Final[dict[str, str]] = {
    "NotAllowedError": (
        "The browser is not allowed to use the camera. Click the camera or lock icon next to the address, allow the camera "
        "for this page, and press START again. On macOS and Windows, allow it in the privacy settings, too."
    ),
    "NotFoundError": "The browser finds no camera. Connect one, or use a photo or a video file instead.",
    "NotReadableError": ("Another program uses the camera, for example a video call. Close it and check again."),
    "AbortError": "The camera stopped while opening. Reconnect it and check again.",
    "OverconstrainedError": "The camera has no usable resolution. Try another camera.",
    "SecurityError": "The browser settings block cameras on this page. Ask your administrator.",
    "InsecureContext": (
        "Browsers allow cameras only on localhost or over HTTPS, and this page is neither. "
        "Open http://localhost on the machine itself, or serve FER Lab over HTTPS (docs/webcam.md says how)."
    ),
    "NotSupported": "This browser cannot use cameras. Try a current Firefox, Chrome, Edge or Safari.",
}
"""Name of the browser's error -> what it means and what to do."""


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "camera_check", _HTML)


def camera_check(*, playing: bool) -> str | None:
    """Draw the button; returns advice if the camera does not work, else None."""
    answer = _component()(key="fer_camera_check", data={"playing": playing}, on_answer_change=lambda: None).answer
    name = str(answer.get("name", "")) if answer else ""
    if not name or name == "ok":
        return None
    return ADVICE.get(name, f"The browser could not open the camera ({name}). Try another browser or camera.")
