"""What FER Lab does otherwise than the video library: newest frame wins, stop at any moment, reruns that stay small.

streamlit-webrtc 0.79 does some things that a live view must not do. :func:`repair` replaces these, once:

- It reruns the whole page when a connection is answered and when it ends. When such a run has ended and the browser
  has not heard of it yet, the next run of the video's own fragment (another step of the connection) takes the video's
  frame out of the messages that wait. The browser then learns of a finished page without a video, throws the frame
  away with the connection in it, and mounts it anew. So only the fragment is run again.
- Its queues between camera, processing and encoder are unbounded: a machine too slow for the encoder falls behind
  further and further. Here work is at most one frame ahead of the encoder, and begins with the newest frame.
- A connection that ends before its first frame raises ``AttributeError`` in the server's event loop.

A fourth replacement is in Streamlit itself (1.67): what a fragment of a page reports at the very moment the page is left
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
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import streamlit as st
from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError
from streamlit.runtime.scriptrunner import get_script_run_ctx

_REMEMBERED = 30
"""Frames kept while the encoder is busy, to be counted as dropped; a second of video."""


class NewestFrameTrack(MediaStreamTrack):
    """Annotated video: the newest camera frame is worked on while the encoder still has the one before.

    Work is one frame ahead and never more: the next begins when the encoder has taken the last, with the frame that is
    newest then. Frames that came meanwhile are left out and counted.
    """

    kind = "video"

    def __init__(self, track: MediaStreamTrack, processor: Any) -> None:
        """``track`` gives the camera's frames; ``processor.recv_queued(frames)`` all that came since the last call."""
        super().__init__()
        self._track = track
        self._processor = processor
        self._waiting: deque[Any] = deque(maxlen=_REMEMBERED)
        self._came = asyncio.Event()
        self._ready: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
        self._taken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live video")
        self._loop = asyncio.new_event_loop()  # of that thread
        track.on("ended", self.stop)

    async def recv(self) -> Any:
        """The next annotated frame.

        Raises:
            MediaStreamError: the camera has stopped.
        """
        if not self._tasks and self.readyState == "live":
            self._tasks = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._work())]
        shown = await self._ready.get() if self.readyState == "live" else None
        if shown is None or self.readyState != "live":
            raise MediaStreamError
        self._taken.set()
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

    async def _work(self) -> None:
        """Make one annotated frame after the other."""
        try:
            while self.readyState == "live":
                await self._came.wait()
                self._came.clear()
                frames = list(self._waiting)
                self._waiting.clear()
                shown = await asyncio.get_running_loop().run_in_executor(self._thread, self._annotate, frames)
                shown.pts, shown.time_base = frames[-1].pts, frames[-1].time_base
                self._taken.clear()
                self._offer(shown)
                await self._taken.wait()
        finally:  # whatever ended it, nobody waits for another frame
            self.stop()

    def _offer(self, shown: Any) -> None:
        """Put down what the encoder takes next; None wakes it up at the end."""
        while not self._ready.empty():
            self._ready.get_nowait()
        self._ready.put_nowait(shown)

    def stop(self) -> None:
        """End the track; valid at any moment and repeatedly, from the event loop."""
        if self.readyState != "live":
            return
        super().stop()
        self._track.stop()
        for task in self._tasks:
            task.cancel()
        self._waiting.clear()
        self._offer(None)
        self._thread.submit(self._end)  # after the frame that is being worked on
        self._thread.shutdown(wait=False)

    def _annotate(self, frames: list[Any]) -> Any:
        return self._loop.run_until_complete(self._processor.recv_queued(frames))[-1]

    def _end(self) -> None:
        self._loop.close()
        self._processor.on_ended()


class DirectRelay(MediaRelay):
    """Hands our own track to its one consumer, the encoder, without a queue in between."""

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
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
    component.rerun = rerun_fragment
    component.WebRtcWorker = RememberingWorker
    worker.AsyncVideoProcessTrack = NewestFrameTrack
    worker.get_global_relay = lambda: relay
