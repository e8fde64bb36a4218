"""Writes video files (mp4, m4v, mov): frames with their times, and the sound of another file."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fer_core.live.media.display import Image, letterbox
from fer_core.live.media.sound import SoundWriter, add_sound

if TYPE_CHECKING:
    import av

_TICKS: Final = 90_000  # per second; the usual clock of video files


class VideoWriter:
    """Writes one video with square pixels and without a display matrix. ``av.FFmpegError`` and ``OSError`` pass through.

    Args:
        path: path of the file; its extension selects the container.
        width, height: size of the frames in pixels. Odd sides grow by one pixel at the right and bottom, because the
            chroma planes have half the resolution. Frames of another size are letterboxed.
        rate: frames per second, for the encoder's rate control only; each frame has its own time.
        live: encode fast, and in fragments, so that the file plays up to its last second even if the process is killed.
        comment: text for the metadata.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        *,
        rate: Fraction | int = 30,
        live: bool = False,
        comment: str = "",
    ) -> None:
        import av

        self._canvas = (width, height)
        self._last = -1
        fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        self._container = av.open(str(path), "w", options=fragments if live else {})
        if comment:
            self._container.metadata["comment"] = comment
        stream = self._container.add_stream("libx264", rate=rate)
        assert stream.type == "video"
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(1)
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.options = (
            {"preset": "ultrafast", "crf": "23", "g": "30", "tune": "zerolatency"}
            if live
            else {"preset": "veryfast", "crf": "21"}
        )
        self._stream: av.VideoStream = stream
        self._sound: SoundWriter | None = None
        self._note = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height passed by the caller, in pixels; boxes in tables refer to it."""
        return self._canvas

    @property
    def notes(self) -> list[str]:
        """What a person should know about the sound, complete after :meth:`finish`."""
        notes = [self._note] if self._note else []
        if self._sound is not None and self._sound.skipped:
            notes.append(f"{self._sound.skipped:,} sound packets could not be read and were skipped.")
        return notes

    def add_sound(self, source: av.AudioStream) -> None:
        """Add a stream for the sound of another file, before the first frame; see :attr:`notes` for the outcome."""
        self._sound, self._note = add_sound(self._container, source)

    def add(self, image: Image, seconds: float) -> None:
        """Append a frame, uint8 RGB (H, W, 3), that is shown from ``seconds`` on."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(self._fit(image)), format="rgb24")
        self._last = max(self._last + 1, round(seconds * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def add_sound_packet(self, packet: av.Packet[Any]) -> None:
        """Append a packet of the sound; does nothing if the sound is omitted."""
        if self._sound is not None:
            self._sound.write(packet)

    def finish(self) -> None:
        """Write buffered frames and sound, and the end of the file."""
        if self._sound is not None:
            self._sound.finish()
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Close the file after a failure; raises nothing."""
        with suppress(Exception):
            self._container.close()

    def _fit(self, image: Image) -> Image:
        """Letterbox to the frame size and repeat the edge of odd sides."""
        import cv2

        image = letterbox(image, self._canvas)
        right, bottom = self._canvas[0] % 2, self._canvas[1] % 2
        if not (right or bottom):
            return image
        return np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
