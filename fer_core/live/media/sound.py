"""Sound of an annotated copy: copied if the container takes the codec, else converted to AAC, else omitted."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from fer_core.live.media.failures import is_write_failure

if TYPE_CHECKING:
    import av

_AAC_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_TOLERANCE: Final = 0.1
"""Seconds by which a sound may be early or late before silence is inserted or sound is dropped."""
_NAMES: Final = {
    "aac": "AAC", "mp3": "MP3", "opus": "Opus", "vorbis": "Vorbis", "flac": "FLAC", "ac3": "AC-3", "eac3": "E-AC-3",
    "alac": "ALAC", "mp2": "MP2", "wmav1": "WMA", "wmav2": "WMA", "wmapro": "WMA Pro", "amr_nb": "AMR", "dts": "DTS",
}  # fmt: skip


class SoundWriter(Protocol):
    """Writes the packets of a source's sound to an output container."""

    def write(self, packet: av.Packet[Any]) -> None:
        """Write one packet of the source; a damaged one is skipped."""

    def finish(self) -> None:
        """Write everything that is buffered."""

    @property
    def skipped(self) -> int:
        """Number of packets that could not be read or written."""


def add_sound(container: av.container.OutputContainer, source: av.AudioStream) -> tuple[SoundWriter | None, str]:
    """Add a stream for the sound of another file, before the first packet is written.

    Args:
        container: the output.
        source: the sound.

    Returns:
        The writer, or None if the sound must be omitted, and a note for the user, which is empty for an exact copy.
    """
    import av

    name = codec_name(source)
    ending = f".{container.name.rpartition('.')[2]}"
    if accepts(container, source):
        return _CopiedSound(container, container.add_stream_from_template(source)), ""
    with suppress(av.FFmpegError, ValueError, OSError):
        if source.codec_context is not None:
            return (
                _EncodedSound(container, source),
                f"The sound ({name}) was converted to AAC, because {ending} files cannot contain {name}.",
            )
    return None, f"The sound ({name}) was omitted: it can be neither copied to an {ending} file nor converted to AAC."


def codec_name(stream: av.AudioStream) -> str:
    """Name of a codec for people, as in ``Opus``."""
    if stream.codec_context is None:
        return "unknown codec"
    name = stream.codec_context.codec.canonical_name
    return _NAMES.get(name, "PCM" if name.startswith("pcm_") else name)


def accepts(container: av.container.OutputContainer, source: av.AudioStream) -> bool:
    """Whether a container takes the codec of a stream.

    The muxer's own list decides first, by canonical names: the decoder ``mp3float`` is MP3. Some muxers refuse a listed
    codec only when they write the header (Opus in .mov), so a header is written to memory, too.
    """
    import av

    if source.codec_context is None or source.codec_context.codec.canonical_name not in container.supported_codecs:
        return False
    try:
        trial = av.open(io.BytesIO(), "w", format=container.format.name)
    except (av.FFmpegError, ValueError):
        return False
    try:
        trial.add_stream_from_template(source)
        trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with suppress(av.FFmpegError, ValueError):
            trial.close()
    return True


class _CopiedSound:
    """Copies packets without decoding them."""

    def __init__(self, container: av.container.OutputContainer, stream: av.AudioStream) -> None:
        self._container, self._stream = container, stream
        self._last: float | None = None
        self.skipped = 0

    def write(self, packet: av.Packet[Any]) -> None:
        import av

        if packet.dts is None or packet.time_base is None:  # an empty packet marks the end of the source
            return
        time = float(packet.dts * packet.time_base)
        if self._last is not None and time <= self._last:  # the parts of a spliced file may overlap
            return
        self._last = time
        packet.stream = self._stream
        try:
            self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            if is_write_failure(error):
                raise
            self.skipped += 1

    def finish(self) -> None:
        """Nothing is buffered."""


class _EncodedSound:
    """Decodes packets and encodes them as AAC; gaps become silence."""

    def __init__(self, container: av.container.OutputContainer, source: av.AudioStream) -> None:
        import av

        context = source.codec_context
        self._container, self._source = container, source
        self._rate = min(_AAC_RATES, key=lambda rate: abs(rate - context.rate))
        self._layout = "mono" if context.channels == 1 else "stereo"
        self._channels = 1 if self._layout == "mono" else 2
        stream = container.add_stream("aac", rate=self._rate, layout=self._layout)
        stream.bit_rate = 96_000 * self._channels
        self._stream = stream
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        self._next: int | None = None  # sample at which the next frame starts; None before the first
        self.skipped = 0

    def write(self, packet: av.Packet[Any]) -> None:
        import av

        try:
            frames = self._source.decode(packet)
        except (av.FFmpegError, ValueError):
            self.skipped += 1
            return
        for frame in frames:
            start = None if frame.time is None else round(frame.time * self._rate)
            if start is not None and not self._align(start):
                continue
            for part in self._resampler.resample(frame):
                self._encode(part)

    def _align(self, start: int) -> bool:
        """Insert silence up to sample ``start``; False if the sound there is already written, so it must be dropped."""
        if self._next is None:
            self._next = max(0, start)
        slack = _TOLERANCE * self._rate
        if start < self._next - slack:
            return False
        if start > self._next + slack:
            while self._next < start:
                self._encode(self._silence(min(self._rate, start - self._next)))
        return True

    def _silence(self, samples: int) -> av.AudioFrame:
        import av

        frame = av.AudioFrame.from_ndarray(np.zeros((self._channels, samples), np.float32), "fltp", self._layout)
        frame.sample_rate = self._rate
        return frame

    def _encode(self, frame: av.AudioFrame) -> None:
        from fractions import Fraction

        self._next = self._next or 0
        frame.pts, frame.time_base = self._next, Fraction(1, self._rate)
        self._next += frame.samples
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        for part in self._resampler.resample(None):
            self._encode(part)
        self._container.mux(self._stream.encode(None))
