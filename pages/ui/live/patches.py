"""Patches of streamlit, streamlit-webrtc and aiortc, each with its reason and version.

If a newer version has renamed or rebuilt the patched name, the patch is skipped with a line in the log, and the live view
uses the unpatched library. ``pyproject.toml`` states the tested versions.
"""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.live.media import DirectRelay, NewestFrameTrack
from pages.ui.shell.session import widget_value

_LOGGER = logging.getLogger(__name__)
_LEAVES_OUT: Final = "%s differs from %s (%s); FER Lab skips its patch."


@dataclass(frozen=True, slots=True)
class Patch:
    """A replaced name of a library.

    Attributes:
        module: module of the name.
        name: the name, dotted for class members.
        version: version the patch was written for.
        reason: the fault without the patch, and its public issue if known.
        replace: maps the original to its replacement; raises AttributeError if the original lacks a required name.
    """

    module: str
    name: str
    version: str
    reason: str
    replace: Callable[[Any], Any]

    def install(self) -> bool:
        """Install the patch; returns False, with a line in the log, if that is impossible."""
        try:
            holder: Any = importlib.import_module(self.module)
            *parents, last = self.name.split(".")
            for parent in parents:
                holder = getattr(holder, parent)
            setattr(holder, last, self.replace(getattr(holder, last)))
        except (ImportError, AttributeError) as error:
            _LOGGER.warning(_LEAVES_OUT, f"{self.module}.{self.name}", self.version, error)
            return False
        return True


@lru_cache(maxsize=1)
def install_patches() -> tuple[str, ...]:
    """Install all patches once per process; returns the names of skipped ones."""
    return tuple(f"{patch.module}.{patch.name}" for patch in PATCHES if not patch.install())


@lru_cache(maxsize=1)
def freeze_loaded_objects() -> None:
    """Exclude all loaded objects from garbage collection, once per process.

    A full collection traverses all torch objects and stops every thread for 0.2 s, which drops frames.
    """
    gc.collect()
    gc.freeze()


def rerun_fragment() -> None:
    """Rerun the current fragment, or the page outside of fragments."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run:
        st.rerun(scope="fragment")
    st.rerun()


def remembering_worker(worker: type) -> type:
    """Return a worker class that stores the offer it answers, for :func:`close_stale_connection`."""
    process_offer = worker.process_offer  # type: ignore[attr-defined]

    def remember(self: Any, sdp: str, *arguments: Any, **options: Any) -> Any:
        self.fer_offer = sdp
        return process_offer(self, sdp, *arguments, **options)

    return type("RememberingWorker", (worker,), {"process_offer": remember})


def prompt_buffer(buffer: type) -> type:
    """Return a jitter buffer class that releases a video frame as soon as its last packet has arrived."""
    from aiortc.jitterbuffer import JitterFrame

    probe = buffer(capacity=2, is_video=True)
    for name in ("_is_video", "_origin", "_packets", "_remove_frame", "remove", "capacity"):
        getattr(probe, name)
    remove_frame = buffer._remove_frame  # type: ignore[attr-defined]

    def remove_marked_frame(self: Any, sequence_number: int) -> JitterFrame | None:
        found: JitterFrame | None = remove_frame(self, sequence_number)
        if found is not None or not self._is_video or self._origin is None:
            return found
        data, timestamp = b"", None
        for count in range(self.capacity):
            packet: Any = self._packets[(self._origin + count) % self.capacity]
            if packet is None or timestamp not in (None, packet.timestamp):
                return None
            data, timestamp = data + packet._data, packet.timestamp
            if packet.marker:
                self.remove(count + 1)
                return JitterFrame(data, packet.timestamp)
        return None

    return type("PromptBuffer", (buffer,), {"_remove_frame": remove_marked_frame})


def drop_stale_fragments(run: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return ``ScriptRunner._run_script`` without fragments of a page that was left."""

    def run_unless_left(runner: Any, wanted: Any) -> None:
        here = runner._get_script_run_ctx().page_script_hash
        if wanted.fragment_id_queue and wanted.page_script_hash and here and wanted.page_script_hash != here:
            return
        run(runner, wanted)

    return run_unless_left


def instead(replacement: Any, original: Any) -> Any:
    """Return the replacement and ignore the original; for :func:`functools.partial`."""
    return replacement


_WEBRTC: Final = "streamlit-webrtc 0.79"

PATCHES: Final = (
    Patch(
        "streamlit_webrtc.component", "rerun", _WEBRTC,
        "It reruns the whole page when a connection is answered and when it ends. If a run of the video's fragment starts "
        "before the browser has the result of such a run, it removes the video's frame from the pending messages. The "
        "browser then sees a page without video, drops the frame with its connection, and mounts it again. No public "
        "issue is known.",
        partial(instead, rerun_fragment),
    ),
    Patch(
        "streamlit_webrtc.component", "WebRtcWorker", _WEBRTC,
        "STOP and START in quick succession arrive as one change on a busy machine: the old connection stays, and the new "
        "one is never answered. No public issue is known.",
        remembering_worker,
    ),
    Patch(
        "streamlit_webrtc.webrtc", "AsyncVideoProcessTrack", _WEBRTC,
        "Its queue between camera and processing is unbounded, so that the latency of a slow machine grows without limit "
        "(aiortc#1192, fastrtc#152). A connection that ends before its first frame raises AttributeError in "
        "the server's event loop (streamlit-webrtc#1618, #2475).",
        partial(instead, NewestFrameTrack),
    ),
    Patch(
        "streamlit_webrtc.webrtc", "get_global_relay", _WEBRTC,
        "Its relay puts a second unbounded queue between processing and encoder (aiortc#1192).",
        lambda _: partial(lambda relay: relay, DirectRelay()),
    ),
    Patch(
        "aiortc.rtcrtpreceiver", "JitterBuffer", "aiortc 1.16",
        "It releases a frame when the first packet of the next one arrives, which delays every frame by one. The last "
        "packet of a frame carries a marker (RFC 3550, and RFC 7741 for VP8). No public issue is known.",
        prompt_buffer,
    ),
    Patch(
        "streamlit.runtime.scriptrunner.script_runner", "ScriptRunner._run_script", "streamlit 1.67",
        "A rerun that a fragment requests during a page change runs after the new page, as a run of the old one. The "
        "browser then clears the new page and shows nothing (a blank page as in streamlit#14732).",
        drop_stale_fragments,
    ),
)  # fmt: skip


def close_stale_connection(key: str) -> None:
    """Close a connection that the browser has ended or restarted; call this before ``webrtc_streamer(key)``.

    Uses the context and component state of streamlit-webrtc 0.79:

    - After STOP, the library reruns the script to withdraw its answer. If the user opens another page at that moment,
      Streamlit may run the old page again and lose the click. So the connection is closed before the library checks it.
    - A START right after a STOP is a new offer that the library mistakes for the old one.
    - The browser stores the answer while the video plays, and the next START would reuse it.
    """
    try:
        _close_stale_connection(key)
    except (ImportError, AttributeError) as error:
        _LOGGER.warning(_LEAVES_OUT, "The state of a connection", _WEBRTC, error)


def is_wanted(key: str) -> bool:
    """Whether the browser asks for a connection, or has one; call this before ``webrtc_streamer(key)``.

    Uses the component state of streamlit-webrtc 0.79; if a newer version has rebuilt it, this returns False.
    """
    try:
        from streamlit_webrtc import component

        value = widget_value(component.generate_frontend_component_key(key)) or {}
        return bool(value.get("sdpOffer") or value.get("playing"))
    except (ImportError, AttributeError) as error:
        _LOGGER.warning(_LEAVES_OUT, "The state of a component", _WEBRTC, error)
        return False


def close_connection(key: str) -> None:
    """End the connection of a video element that is not drawn any more."""
    from streamlit_webrtc import component

    context = widget_value(key)
    if context is not None:
        component._reset_context(context)


def _close_stale_connection(key: str) -> None:
    from streamlit_webrtc import component

    context = widget_value(key)
    if context is None:
        return
    value = widget_value(component.generate_frontend_component_key(key)) or {}
    offer = (value.get("sdpOffer") or {}).get("sdp")
    worker = context._get_worker()
    ended = not offer and not value.get("playing")
    restarted = offer is not None and getattr(worker, "fer_offer", offer) != offer
    if ended or restarted:
        component._reset_context(context)
        context._set_state(component.compile_state(value))
    elif value.get("playing"):
        context._sdp_answer_json = None
