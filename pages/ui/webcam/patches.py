"""What FER Lab does otherwise than the video library: newest frame wins, stop at any moment, reruns that stay small.

streamlit-webrtc 0.79 does some things that a live view must not do. :func:`repair` replaces these, once:

- It reruns the whole page when a connection is answered and when it ends. When such a run has ended and the browser
  has not heard of it yet, the next run of the video's own fragment (another step of the connection) takes the video's
  frame out of the messages that wait. The browser then learns of a finished page without a video, throws the frame
  away with the connection in it, and mounts it anew. So only the fragment is run again.
- Its queues between camera, processing and encoder are unbounded: a machine too slow for the encoder falls behind
  further and further. Here the encoder asks for a frame when it is ready for one, and gets the newest.
- A connection that ends before its first frame raises ``AttributeError`` in the server's event loop.
- aiortc 1.16 hands a frame on when the first packet of the next one has come, so every frame is one frame late. Here its
  last packet, which is marked as such (RFC 3550, and RFC 7741 for VP8), is enough.

Another replacement is in Streamlit itself (1.67): what a fragment of a page reports at the very moment the page is left
is run after the new page, as a run of the old one. The browser then clears the new page and shows nothing. Here such a
run is left out.

:func:`settle`, called before each drawing of the video, does the rest:

- After STOP the library reruns the script to take back its answer. If somebody clicks a menu just then, that run and the
  new page's run meet in Streamlit, which may then run the page that is being left once more, and the click is lost. So
  the connection is closed before the library looks.
- STOP and START in one moment, seen as one change on a busy machine, leave the old connection in place: the new one is
  never answered.
- The answer stays with the browser for as long as the video plays, and the next START would take it for its own.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import streamlit as st
from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.mediastreams import MediaStreamError
from streamlit.runtime.scriptrunner import get_script_run_ctx

_REMEMBERED = 30
"""Frames kept while the encoder is busy, to be counted as dropped; a second of video."""


class NewestFrameTrack(MediaStreamTrack):
    """Annotated video: each time the encoder asks, the newest camera frame is worked on in a thread of this track."""

    kind = "video"

    def __init__(self, track: MediaStreamTrack, processor: Any) -> None:
        """``track`` gives the camera's frames; ``processor.recv_queued(frames)`` all that came since the last call."""
        super().__init__()
        self._track = track
        self._processor = processor
        self._waiting: deque[Any] = deque(maxlen=_REMEMBERED)
        self._came = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live video")
        self._loop = asyncio.new_event_loop()  # of that thread
        track.on("ended", self.stop)

    async def recv(self) -> Any:
        """The next annotated frame.

        Raises:
            MediaStreamError: the camera has stopped.
        """
        if self._reader is None and self.readyState == "live":
            self._reader = asyncio.ensure_future(self._read())
        await self._came.wait()
        if self.readyState != "live":
            raise MediaStreamError
        self._came.clear()
        frames = list(self._waiting)
        self._waiting.clear()
        try:
            shown = await asyncio.get_running_loop().run_in_executor(self._thread, self._annotate, frames)
        except Exception as error:
            if self.readyState != "live":  # the thread was shut down meanwhile
                raise MediaStreamError from error
            self.stop()
            raise
        shown.pts, shown.time_base = frames[-1].pts, frames[-1].time_base
        return shown

    async def _read(self) -> None:
        """Take every frame as it comes, so that nothing queues up before this track."""
        try:
            while self.readyState == "live":
                frame: Any = await self._track.recv()
                frame.opaque = time.monotonic()  # when it came
                self._waiting.append(frame)
                self._came.set()
        except MediaStreamError:
            self.stop()

    def stop(self) -> None:
        """End the track; valid at any moment and repeatedly, from the event loop."""
        if self.readyState != "live":
            return
        super().stop()
        self._track.stop()
        if self._reader is not None:
            self._reader.cancel()
        self._waiting.clear()
        self._came.set()  # wakes whoever waits for a frame
        self._thread.submit(self._end)  # after the frame that is being worked on
        self._thread.shutdown(wait=False)

    def _annotate(self, frames: list[Any]) -> Any:
        return self._loop.run_until_complete(self._processor.recv_queued(frames))[-1]

    def _end(self) -> None:
        self._loop.close()
        self._processor.on_ended()


class PromptBuffer(JitterBuffer):
    """Gives a video frame as soon as all of its packets are there."""

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        found = super()._remove_frame(sequence_number)
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


class DirectRelay(MediaRelay):
    """Hands our own track to its one consumer, the encoder, without a queue in between."""

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        """The track itself where it is ours, else a relayed one."""
        return track if isinstance(track, NewestFrameTrack) else super().subscribe(track, buffered)


def rerun_fragment() -> None:
    """Run the fragment again that is running, or the page where the whole page is."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run:
        st.rerun(scope="fragment")
    st.rerun()


def settle(key: str) -> None:
    """Close a connection that the browser has given up, or begun anew; before ``webrtc_streamer(key)`` is called."""
    from streamlit_webrtc import component

    context = st.session_state.get(key)
    if context is None:
        return
    value = st.session_state.get(component.generate_frontend_component_key(key)) or {}
    offer = (value.get("sdpOffer") or {}).get("sdp")
    worker = context._get_worker()
    given_up = not offer and not value.get("playing")
    begun_anew = offer is not None and getattr(worker, "fer_offer", offer) != offer
    if given_up or begun_anew:
        component._reset_context(context)
        context._set_state(component.compile_state(value))
    elif value.get("playing"):
        context._sdp_answer_json = None


def only_of_this_page(run: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """``ScriptRunner._run_script`` that leaves out fragments of a page that was left."""

    def run_unless_left(runner: Any, wanted: Any) -> None:
        here = runner._get_script_run_ctx().page_script_hash
        if wanted.fragment_id_queue and wanted.page_script_hash and here and wanted.page_script_hash != here:
            return
        run(runner, wanted)

    return run_unless_left


@lru_cache(maxsize=1)
def repair() -> None:
    """Put our parts into the video library and Streamlit; once for the process."""
    import aiortc.rtcrtpreceiver as receiver
    import streamlit_webrtc.webrtc as worker
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
    from streamlit_webrtc import component

    class RememberingWorker(worker.WebRtcWorker):
        """Knows which offer it answers."""

        def process_offer(self, sdp: str, *arguments: Any, **options: Any) -> Any:
            self.fer_offer = sdp
            return super().process_offer(sdp, *arguments, **options)

    ScriptRunner._run_script = only_of_this_page(ScriptRunner._run_script)  # type: ignore[method-assign]
    relay = DirectRelay()
    # What is loaded by now stays: when Python looks for garbage it passes over it, instead of stopping all threads for 0.2 s.
    gc.collect()
    gc.freeze()
    component.rerun = rerun_fragment
    component.WebRtcWorker = RememberingWorker
    worker.AsyncVideoProcessTrack = NewestFrameTrack
    receiver.JitterBuffer = PromptBuffer  # type: ignore[misc]
    worker.get_global_relay = lambda: relay
