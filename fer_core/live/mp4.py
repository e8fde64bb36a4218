"""The one writer of MP4 files: pictures with their times, and sound that is copied as it is."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

_TICKS: Final = 90_000  # a second; the usual clock of video files
_COPIED_AUDIO: Final = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")  # what an mp4 file may hold


class Mp4Writer:
    """Writes one file. Errors of FFmpeg (``av.FFmpegError``) and of the disk (``OSError``) pass through.

    Args:
        path: where; the ending names the container.
        width, height: pixels of the pictures; an odd side grows by one pixel, because the color planes are half as large.
        rate: frames per second, for the encoder's bit-rate control only; each picture has a time of its own.
        live: written while a camera runs: encodes fast, and in fragments, so that the file plays up to its last second
            even when the program is killed.
        comment: about the whole file, kept in its metadata.
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

        self._size = (width + width % 2, height + height % 2)
        self._last = -1
        fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        self._container = av.open(str(path), "w", options=fragments if live else {})
        if comment:
            self._container.metadata["comment"] = comment
        stream = self._container.add_stream("libx264", rate=rate)
        assert stream.type == "video"
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.options = (
            {"preset": "ultrafast", "crf": "23", "g": "30", "tune": "zerolatency"}
            if live
            else {"preset": "veryfast", "crf": "21"}
        )
        self._stream: av.VideoStream = stream
        self._sound: Any = None

    def add_sound(self, source: av.AudioStream) -> bool:
        """Make room for the sound of another file, before the first picture; False where this kind cannot be kept."""
        if source.codec_context.name not in _COPIED_AUDIO:
            return False
        self._sound = self._container.add_stream_from_template(source)
        return True

    def add(self, picture: npt.NDArray[np.uint8], seconds: float) -> None:
        """Append a picture, uint8 RGB (H, W, 3), that is shown from ``seconds`` on."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(self._fitted(picture)), format="rgb24")
        self._last = max(self._last + 1, round(seconds * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def copy_sound(self, packet: av.Packet[Any]) -> None:
        """Append a packet of the sound; nothing where there is no room for it."""
        if self._sound is not None and packet.dts is not None:
            packet.stream = self._sound
            self._container.mux(packet)

    def finish(self) -> None:
        """Write what is held back, and the end of the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Close what may have failed half-way; what is written stays, and nothing is raised."""
        with suppress(Exception):
            self._container.close()

    def _fitted(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        import cv2

        height, width = picture.shape[:2]
        right, bottom = self._size[0] - width, self._size[1] - height
        if right == bottom == 0:
            return picture
        if 0 <= right <= 1 and 0 <= bottom <= 1:
            return np.asarray(cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        return np.asarray(
            cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), np.uint8
        )  # it changed on the way
