"""Reads a video file as upright frames of one size on one time axis, together with its packets of sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ImageError
from fer_core.formatting import joined
from fer_core.live.media.clock import SharedClock
from fer_core.live.media.display import DisplayTransform, Image, letterbox
from fer_core.live.media.hdr import TRANSFERS, tone_map

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

MAX_PIXELS: Final = 40_000_000
"""Most pixels of a frame; larger frames are refused before decoding."""
_MAX_READ_ERRORS: Final = 20  # in a row, without a packet between them
_SLOW_CODECS: Final = frozenset(("h264", "hevc", "vvc", "vp8", "vp9", "av1", "mpeg4"))
_IMAGE_FORMATS: Final = ("image2", "_pipe")
_IMAGE_BRANDS: Final = frozenset(("avif", "heic", "heix", "mif1", "heim", "heis"))


_NAMING_OTHERS: Final = frozenset(
    ("concat", "dash", "hls", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp", "vobsub", "webm_dash_manifest")
)
"""Formats of FFmpeg that are no video themselves but name files or addresses to read: a playlist from a stranger could
name any file of this machine."""


@lru_cache(maxsize=1)
def _formats() -> str:
    """The formats that FFmpeg may recognize, as its option ``format_whitelist``."""
    import av

    names = {name for several in av.formats_available for name in several.split(",")}
    return ",".join(sorted(names - _NAMING_OTHERS))


def open_container(path: Path) -> InputContainer:
    """Open a file as video that consists of itself alone.

    Raises:
        av.FFmpegError, ValueError, OSError: FFmpeg cannot read it, or it names other files.
    """
    import av

    return av.open(str(path), metadata_errors="replace", options={"format_whitelist": _formats()})


class VideoReader:
    """Opens a video file; use it as a context manager.

    Frames come rotated, mirrored and with square pixels, as a player shows them. A frame of another size than the first
    is letterboxed. Packets that cannot be decoded are skipped and counted.

    Args:
        path: any file FFmpeg can read.

    Attributes:
        video: the best video stream: a default one, and the largest of these.
        audio: the best audio stream, or None.
        size: width and height of the frames in pixels; (0, 0) before the first frame.
        skipped: number of video packets that could not be decoded so far.

    Raises:
        ImageError: (on entering) the file is missing, is not a video, or has frames that are too large.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = (0, 0)
        self.skipped = 0
        self._packets = 0
        self._notes: list[str] = []
        self._clock: SharedClock | None = None
        self._size_changes = self._transfer = ""

    def __enter__(self) -> VideoReader:
        import av
        from av.video.reformatter import VideoReformatter

        if not self.path.is_file():
            raise ImageError(f"There is no file '{self.path}'. Choose a video file.")
        try:
            self.container = open_container(self.path)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise ImageError(
                f"{self.path.name} is not a video that can be read ({reason(error)}). Choose a video file, such as an mp4."
            ) from error
        try:
            self.video = self._best_video()
            self.audio = _best_audio(self.container.streams.audio)
        except ImageError:
            self.container.close()
            raise
        # With frame threads, a bad packet near the end costs the good ones after it, so only slow codecs use them.
        slow = self.video.codec_context.codec.canonical_name in _SLOW_CODECS
        self.video.thread_type = "AUTO" if slow else "SLICE"
        self._reformatter = VideoReformatter()
        self._pixel_ratio = self.video.codec_context.sample_aspect_ratio
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def _best_video(self) -> av.VideoStream:
        """Choose the video stream to read.

        Raises:
            ImageError: the file has no video, or none that can be decoded.
        """
        name = self.path.name
        if self._is_image():
            raise ImageError(f"{name} is an image, not a video. Analyze it as a photo.")
        streams = [stream for stream in self.container.streams.video if not _is_picture(stream)]
        if not streams:
            raise ImageError(f"{name} is not a video: it contains {self._contents()}. Choose a video file.")
        decodable = [stream for stream in streams if stream.codec_context is not None]
        if not decodable:  # FFmpeg has no decoder for the codec
            raise ImageError(f"{name} uses a video codec that cannot be decoded here. Convert it to mp4 (H.264).")
        best = max(decodable, key=lambda s: (_is_default(s), s.width * s.height, -s.index))
        if best.width * best.height > MAX_PIXELS:
            raise ImageError(
                f"{name} has frames of {best.width}×{best.height} pixels; at most {MAX_PIXELS // 1_000_000} megapixels "
                "are supported. Scale the video down."
            )
        if len(streams) > 1:
            self._notes.append(f"{name} has {len(streams)} video streams; the {best.width}×{best.height} one was used.")
        return best

    def _is_image(self) -> bool:
        """Whether the file is an image: of an image format with one frame only, or HEIC or AVIF by its brand."""
        import av

        if self.container.metadata.get("major_brand", "").strip() in _IMAGE_BRANDS:
            return True
        if not any(self.container.format.name.endswith(ending) for ending in _IMAGE_FORMATS):
            return False
        try:
            with open_container(self.path) as trial:
                return sum(1 for _ in islice(trial.decode(video=0), 2)) < 2
        except (av.FFmpegError, ValueError):
            return True

    def _contents(self) -> str:
        """What a file without a video contains, as in ``only sound and a cover image``."""
        kinds = {"audio": "sound", "subtitle": "subtitles", "data": "data", "attachment": "attachments"}
        found = [kinds[s.type] for s in self.container.streams if s.type in kinds]
        pictures = ["a cover image"] if self.container.streams.video else []
        return f"only {joined([*dict.fromkeys(found), *pictures])}" if found or pictures else "no streams"

    @property
    def duration(self) -> float | None:
        """Duration in seconds; None if the file does not state it."""
        if self.video.duration is not None and self.video.time_base is not None:
            return float(self.video.duration * self.video.time_base)
        return self.container.duration / 1_000_000 if self.container.duration else None

    @property
    def rate(self) -> Fraction:
        """Average frames per second, for the encoder's rate control only."""
        rate = self.video.average_rate or self.video.base_rate or Fraction(25)
        return Fraction(rate).limit_denominator(1001) if 1 <= rate <= 240 else Fraction(25)

    @property
    def notes(self) -> list[str]:
        """What a person should know about the file, complete after the last item."""
        notes = list(self._notes)
        if self._transfer:
            notes.append(f"The video is HDR ({self._transfer}); it was tone-mapped to SDR.")
        if self._size_changes:
            notes.append(self._size_changes)
        if self._clock is not None and self._clock.jumps:
            notes.append(
                f"The timestamps of the file jump {_times(self._clock.jumps)}, as in videos joined byte by byte; "
                "the parts follow each other without a gap."
            )
        if self.skipped:
            notes.append(f"{self.skipped:,} of {self._packets:,} video packets could not be decoded and were skipped.")
        return notes

    def items(self) -> Iterator[tuple[float, Image] | av.Packet[Any]]:
        """Read the file.

        Yields:
            Frames as (seconds, uint8 RGB (H, W, 3)), in ascending order of time, and packets of sound, whose timestamps
            are on the same time axis; see :class:`~fer_core.live.media.clock.SharedClock`.

        Raises:
            ImageError: a frame is too large, or no frame can be decoded.
        """
        previous: float | None = None
        for packet in self._read():
            if packet.stream is not self.video:
                yield packet
                continue
            for frame in self._decode(packet):
                fallback = 0.0 if previous is None else previous + float(1 / self.rate)
                time = max(0.0, fallback if frame.time is None else frame.time)
                # Times ascend strictly even in damaged files; two frames never share one.
                previous = time if previous is None else max(time, previous + 1e-4)
                yield previous, self._image(frame)
        if previous is None:
            raise ImageError(
                f"{self.path.name} contains no frame that can be decoded ({_counted(self._packets, 'video packet')}). "
                "The file is damaged or empty; choose another one."
            )

    def _read(self) -> Iterator[av.Packet[Any]]:
        """Packets of both streams on the shared time axis; a damaged part of the file is skipped."""
        import av

        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        packets, errors, end = self.container.demux(streams), 0, 0.0
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError) as error:
                errors += 1
                if errors < _MAX_READ_ERRORS:
                    packets = self.container.demux(streams)
                    continue
                self._notes.append(f"The file is damaged or cut short after {end:.1f} seconds ({reason(error)}).")
                break
            if packet is None:
                break
            if not packet.size and packet.pts is not None:  # Theora and others: the last frame is shown again
                continue
            if packet.size:  # an empty packet without a timestamp marks the end and flushes the decoder
                errors = 0
                clock = self._clock = self._clock or self._start_clock(packet)
                clock.apply(packet)
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, float(packet.pts * packet.time_base))
            yield packet

    def _start_clock(self, packet: av.Packet[Any]) -> SharedClock:
        """Clock that starts with the first frame or sound; ``packet`` is the first of the file."""
        video, sound = _start(self.video), None if self.audio is None else _start(self.audio)
        if sound is not None and sound < 0:  # priming samples of the codec, which are never played
            sound = min(0.0, video or 0.0)
        starts = [start for start in (video, sound) if start is not None]
        if not starts:
            stamp = packet.pts if packet.pts is not None else packet.dts
            starts.append(float(stamp * packet.time_base) if stamp is not None and packet.time_base else 0.0)
        return SharedClock(min(starts), spliced=_may_be_spliced(self.container))

    def _decode(self, packet: av.Packet[Any]) -> Iterable[av.VideoFrame]:
        import av

        self._packets += bool(packet.size)
        try:
            return self.video.decode(packet)
        except (av.FFmpegError, ValueError):
            self.skipped += 1
            return []

    def _image(self, frame: av.VideoFrame) -> Image:
        """The frame as a player shows it, in the size of the first one; uint8 RGB (H, W, 3).

        Raises:
            ImageError: the frame is too large.
        """
        transform = self._transform(frame)
        width, height = transform.square_size(frame.width, frame.height)
        if width * height > MAX_PIXELS:
            raise ImageError(
                f"{self.path.name} has frames of {width}×{height} pixels; at most {MAX_PIXELS // 1_000_000} megapixels "
                "are supported. Scale the video down."
            )
        transfer = TRANSFERS.get(frame.color_trc)
        target = "rgb48le" if transfer else "rgb24"
        pixels = self._reformatter.reformat(frame, width, height, target).to_ndarray()
        if transfer:
            self._transfer = transfer
            pixels = tone_map(np.asarray(pixels, np.uint16), transfer)
        image: npt.NDArray[np.uint8] = transform.orient(np.asarray(pixels, np.uint8))
        shown = (image.shape[1], image.shape[0])
        if self.size == (0, 0):
            self.size = shown
        if shown != self.size:
            self._size_changes = f"The frame size changes during the video; other sizes are letterboxed into {self.size[0]}×{self.size[1]}."
        return letterbox(image, self.size)

    def _transform(self, frame: av.VideoFrame) -> DisplayTransform:
        """Display transform of a frame: its own display matrix, and the pixel ratio of the container or the codec."""
        found: Any = frame.side_data.get("DISPLAYMATRIX")
        matrix = None if found is None else np.frombuffer(found, np.int32).tolist()
        current = self.video.codec_context.sample_aspect_ratio
        ratio = self.video.sample_aspect_ratio if current == self._pixel_ratio else current
        return DisplayTransform.from_stream(matrix, ratio)


def _is_picture(stream: av.VideoStream) -> bool:
    """Whether a video stream is a cover image or a thumbnail."""
    from av.stream import Disposition

    return bool(
        stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image)
    )


def _start(stream: av.VideoStream | av.AudioStream) -> float | None:
    """First timestamp of a stream in seconds; None if the file does not state it."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return float(stream.start_time * stream.time_base)


def _is_default(stream: av.VideoStream | av.AudioStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.default)


def _best_audio(streams: Iterable[av.AudioStream]) -> av.AudioStream | None:
    """A default audio stream, and the first of these; None if there is none."""
    return max(streams, key=lambda s: (_is_default(s), s.codec_context is not None, -s.index), default=None)


def _may_be_spliced(container: Any) -> bool:
    """Whether timestamps of this container may jump, as in transport streams."""
    return container.format.name in ("mpegts", "mpeg", "hls")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def reason(error: BaseException) -> str:
    """Short text of an error, without a final period."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
