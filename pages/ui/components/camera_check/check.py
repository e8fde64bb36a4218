"""Why a camera does not work, asked in the browser: Python never learns it from the video library.

The component asks for the camera as the video library will, lets go of it at once, and returns the name of what the
browser says. It asks by itself only where that opens no prompt; otherwise when the button is pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import streamlit as st

_HTML = '<button type="button" class="fer-check">Check the camera</button><span class="fer-check-note" role="status"></span>'
_CSS = """
.fer-check { font: inherit; color: var(--st-text-color); background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 0.5rem); padding: 0.35rem 0.9rem; cursor: pointer; }
.fer-check:hover, .fer-check:focus-visible { border-color: var(--st-primary-color); outline: none; }
.fer-check-note { margin-left: 0.75rem; color: var(--st-text-color); opacity: 0.8; }
"""
_JS = """
async function ask() {
  if (!window.isSecureContext) return {name: "InsecureContext"};
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return {name: "NotSupported"};
  try {
    const stream = await navigator.mediaDevices.getUserMedia({video: true, audio: false});
    const track = stream.getVideoTracks()[0];
    const label = track ? track.label : "";
    stream.getTracks().forEach((t) => t.stop());
    return {name: "ok", label};
  } catch (error) {
    return {name: error.name || "UnknownError"};
  }
}

async function quiet() {
  if (!window.isSecureContext || !navigator.mediaDevices) return true;
  try { return (await navigator.permissions.query({name: "camera"})).state !== "prompt"; } catch { return false; }
}

const busy = new WeakSet();

export default function ({data, parentElement, setStateValue}) {
  const button = parentElement.querySelector(".fer-check");
  const note = parentElement.querySelector(".fer-check-note");
  async function run() {
    if (busy.has(parentElement)) return;
    busy.add(parentElement);
    note.textContent = "asking the browser…";
    const answer = await ask();
    note.textContent = "";
    busy.delete(parentElement);
    setStateValue("answer", answer);
  }
  button.onclick = run;
  if (!data.playing && !parentElement.dataset.asked) {
    parentElement.dataset.asked = "yes";
    quiet().then((yes) => { if (yes && button.isConnected) run(); });
  }
  return () => { button.onclick = null; };
}
"""

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
        "Open http://localhost on the machine itself, or serve FER Lab over HTTPS as the README describes."
    ),
    "NotSupported": "This browser cannot use cameras. Try a current Firefox, Chrome, Edge or Safari.",
}
"""What each answer of the browser means, and what to do."""


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("fer_camera_check", html=_HTML, js=_JS, css=_CSS, isolate_styles=False)


def camera_check(*, playing: bool) -> str | None:
    """Show the button; returns advice when the browser says that the camera does not work, else None."""
    answer = _component()(key="fer_camera_check", data={"playing": playing}, on_answer_change=lambda: None).answer
    name = str(answer.get("name", "")) if answer else ""
    if name == "ok" and not playing:
        st.caption(":material/check_circle: The browser can use the camera. Press START.")
    if not name or name == "ok":
        return None
    return ADVICE.get(name, f"The browser could not open the camera ({name}). Try another browser or camera.")
