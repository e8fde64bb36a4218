"""The annotated video on its way to the browser: the newest frame wins, and it may stop at any moment."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError

_REMEMBERED = 30
"""Frames buffered while the encoder is busy, to count dropped ones; one second of video."""


class NewestFrameTrack(MediaStreamTrack):
    """Annotated video: on each request of the encoder, a thread processes the newest camera frame."""

    kind = "video"

    def __init__(self, track: MediaStreamTrack, processor: Any) -> None:
        """Create the track.

        Args:
            track: the frames of the camera.
            processor: its ``recv_queued(frames)`` gets all frames since the last call.
        """
        super().__init__()
        self._track = track
        self._processor = processor
        self._frames: deque[Any] = deque(maxlen=_REMEMBERED)
        self._came = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live video")
        self._work_loop = asyncio.new_event_loop()  # of that thread
        track.on("ended", self.stop)

    async def recv(self) -> Any:
        """Return the next annotated frame.

        Raises:
            MediaStreamError: the camera has stopped.
        """
        if self._reader is None and self.readyState == "live":
            self._reader = asyncio.ensure_future(self._read())
        await self._came.wait()
        if self.readyState != "live":
            raise MediaStreamError
        self._came.clear()
        frames = list(self._frames)
        self._frames.clear()
        try:
            shown = await asyncio.get_running_loop().run_in_executor(self._thread, self._annotate, frames)
        except Exception as error:
            if self.readyState != "live":  # the thread has been shut down
                raise MediaStreamError from error
            self.stop()
            raise
        shown.pts, shown.time_base = frames[-1].pts, frames[-1].time_base
        return shown

    async def _read(self) -> None:
        """Receive every frame on arrival, so that no queue builds up before this track."""
        try:
            while self.readyState == "live":
                frame: Any = await self._track.recv()
                frame.opaque = time.monotonic()  # arrival time
                self._frames.append(frame)
                self._came.set()
        except MediaStreamError:
            self.stop()

    def stop(self) -> None:
        """End the track; call from the event loop, at any time and repeatedly."""
        if self.readyState != "live":
            return
        super().stop()
        self._track.stop()
        if self._reader is not None:
            self._reader.cancel()
        self._frames.clear()
        self._came.set()  # wakes a waiting recv()
        self._thread.submit(self._end)  # after the current frame
        self._thread.shutdown(wait=False)

    def _annotate(self, frames: list[Any]) -> Any:
        return self._work_loop.run_until_complete(self._processor.recv_queued(frames))[-1]

    def _end(self) -> None:
        self._work_loop.close()
        self._processor.on_ended()


class DirectRelay(MediaRelay):
    """Connects our track to its only consumer, the encoder, without a queue."""

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        """Return our own track itself, else a relayed one."""
        return track if isinstance(track, NewestFrameTrack) else super().subscribe(track, buffered)
