"""All replacements inside streamlit, streamlit-webrtc and aiortc, each with its reason, its version and a guard.

A replacement whose place is gone, because a newer version has renamed or rebuilt it, is left out with a line in the log;
the live view then works as the library does it. ``pyproject.toml`` holds the versions they were tried with.
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

from pages.ui.shell.session import widget_value
from pages.ui.webcam.media import DirectRelay, NewestFrameTrack

_LOGGER = logging.getLogger(__name__)
_LEAVES_OUT: Final = "%s is not what it was in %s (%s); FER Lab does without its own version of it."


@dataclass(frozen=True, slots=True)
class Patch:
    """One name of a library that is replaced.

    Attributes:
        module: where the name stands.
        name: the name, with dots where it belongs to a class.
        version: what it was written for.
        reason: what goes wrong without it, and the public report where one is known.
        replace: from the original to what takes its place; raises AttributeError where the original lacks what it needs.
    """

    module: str
    name: str
    version: str
    reason: str
    replace: Callable[[Any], Any]

    def install(self) -> bool:
        """Put the replacement in place; False, with a line in the log, where that cannot be."""
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
    """Install all patches, once for the process; returns the names of those that could not be."""
    return tuple(f"{patch.module}.{patch.name}" for patch in PATCHES if not patch.install())


@lru_cache(maxsize=1)
def freeze_loaded_objects() -> None:
    """Take what is loaded by now out of the garbage collector's sight, once for the process.

    A full collection looks at all of torch's objects and stops every thread for 0.2 s, in which no frame passes.
    """
    gc.collect()
    gc.freeze()


def rerun_fragment() -> None:
    """Run the fragment again that is running, or the page where the whole page is."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run:
        st.rerun(scope="fragment")
    st.rerun()


def remembering_worker(worker: type) -> type:
    """A worker that knows which offer it answers; :func:`close_stale_connection` asks."""
    process_offer = worker.process_offer  # type: ignore[attr-defined]

    def remember(self: Any, sdp: str, *arguments: Any, **options: Any) -> Any:
        self.fer_offer = sdp
        return process_offer(self, sdp, *arguments, **options)

    return type("RememberingWorker", (worker,), {"process_offer": remember})


def prompt_buffer(buffer: type) -> type:
    """A jitter buffer that gives a video frame as soon as all of its packets are there."""
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
    """``ScriptRunner._run_script`` that leaves out fragments of a page that was left."""

    def run_unless_left(runner: Any, wanted: Any) -> None:
        here = runner._get_script_run_ctx().page_script_hash
        if wanted.fragment_id_queue and wanted.page_script_hash and here and wanted.page_script_hash != here:
            return
        run(runner, wanted)

    return run_unless_left


def instead(replacement: Any, original: Any) -> Any:
    """The replacement, whatever the original is; with :func:`functools.partial` for a patch that needs nothing of it."""
    return replacement


_WEBRTC: Final = "streamlit-webrtc 0.79"

PATCHES: Final = (
    Patch(
        "streamlit_webrtc.component", "rerun", _WEBRTC,
        "It reruns the whole page when a connection is answered and when it ends. When such a run has ended and the "
        "browser has not heard of it yet, the next run of the video's own fragment takes the video's frame out of the "
        "messages that wait. The browser learns of a finished page without a video, throws the frame away with the "
        "connection in it, and mounts it anew. No public report is known.",
        partial(instead, rerun_fragment),
    ),
    Patch(
        "streamlit_webrtc.component", "WebRtcWorker", _WEBRTC,
        "STOP and START in one moment, seen as one change on a busy machine, leave the old connection in place, and the "
        "new one is never answered. No public report is known.",
        remembering_worker,
    ),
    Patch(
        "streamlit_webrtc.webrtc", "AsyncVideoProcessTrack", _WEBRTC,
        "Its queue between camera and processing is unbounded: a machine too slow for the encoder falls behind further "
        "and further (aiortc#1192, fastrtc#152). A connection that ends before its first frame raises AttributeError in "
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
        "It hands a frame on when the first packet of the next one has come, so every frame is one frame late. Its last "
        "packet, which is marked as such (RFC 3550, and RFC 7741 for VP8), is enough. No public report is known.",
        prompt_buffer,
    ),
    Patch(
        "streamlit.runtime.scriptrunner.script_runner", "ScriptRunner._run_script", "streamlit 1.67",
        "What a fragment of a page reports at the very moment the page is left is run after the new page, as a run of "
        "the old one. The browser then clears the new page and shows nothing (a blank page as in streamlit#14732).",
        drop_stale_fragments,
    ),
)  # fmt: skip


def close_stale_connection(key: str) -> None:
    """Close a connection that the browser has given up, or begun anew; before ``webrtc_streamer(key)`` is called.

    Written for streamlit-webrtc 0.79, whose context and component state it looks into:

    - After STOP the library reruns the script to take back its answer. If somebody clicks a menu just then, that run and
      the new page's run meet in Streamlit, which may then run the page that is being left once more, and the click is
      lost. So the connection is closed before the library looks.
    - A START that follows a STOP in one moment is a new offer that the library takes for the old one.
    - The answer stays with the browser for as long as the video plays, and the next START would take it for its own.
    """
    try:
        _close_stale_connection(key)
    except (ImportError, AttributeError) as error:
        _LOGGER.warning(_LEAVES_OUT, "The state of a connection", _WEBRTC, error)


def _close_stale_connection(key: str) -> None:
    from streamlit_webrtc import component

    context = widget_value(key)
    if context is None:
        return
    value = widget_value(component.generate_frontend_component_key(key)) or {}
    offer = (value.get("sdpOffer") or {}).get("sdp")
    worker = context._get_worker()
    given_up = not offer and not value.get("playing")
    begun_anew = offer is not None and getattr(worker, "fer_offer", offer) != offer
    if given_up or begun_anew:
        component._reset_context(context)
        context._set_state(component.compile_state(value))
    elif value.get("playing"):
        context._sdp_answer_json = None
