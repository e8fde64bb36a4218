"""Check in the browser whether the camera and the relay work; the video library does not report errors to Python.

The component requests the camera like the video library, releases it, and then asks the relay (TURN), if there is one, for
a place. It returns the name of the error. It runs automatically only if that opens no permission prompt, and after a
failed connection; else when the button is pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        "If its address begins with http://, try https:// instead. On the machine itself, open http://localhost. "
        "Otherwise serve FER Lab over HTTPS (docs/deploy.md says how)."
    ),
    "NotSupported": "This browser cannot use cameras. Try a current Firefox, Chrome, Edge or Safari.",
    "RelayRefused": (
        "The relay for video refused this page. Reload the page and check again. If it is refused once more, tell the "
        "operator of this server: the relay has another secret, or its clock differs (see docs/deploy.md)."
    ),
    "RelayFull": "The relay for video is in full use. Try again in some minutes.",
    "RelaySilent": (
        "The relay for video does not answer. A firewall or VPN may block UDP: try another network. If it is the same "
        "there, tell the operator of this server: the relay may be down, or its port closed (see docs/deploy.md)."
    ),
}
"""Name of the error -> what it means and what to do."""


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return component(__file__, "camera_check", _HTML)


def camera_check(*, playing: bool, failed: bool = False, servers: Sequence[dict[str, Any]] = ()) -> str | None:
    """Draw the button; returns advice if the camera or the relay does not work, else None.

    Args:
        playing: whether the video plays; the check then rests.
        failed: whether the last connection failed; the check then runs by itself, once.
        servers: STUN and TURN servers, as for ``RTCPeerConnection``.
    """
    data = {"playing": playing, "failed": failed, "servers": list(servers)}
    answer = _component()(key="fer_camera_check", data=data, on_answer_change=lambda: None).answer
    name = str(answer.get("name", "")) if answer else ""
    if not name or name == "ok":
        return None
    return ADVICE.get(name, f"The browser could not open the camera ({name}). Try another browser or camera.")
