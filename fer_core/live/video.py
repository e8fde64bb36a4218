"""Video files: every face followed and classified, an annotated copy and a csv written as it goes; constant memory."""

from __future__ import annotations

import csv
import io
import time as clock
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_core.annotate import draw_marks
from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.errors import DataError, ImageError, WorkspaceError
from fer_core.formatting import from_csv_cell
from fer_core.inference import Classifier
from fer_core.live.mp4 import Mp4Writer
from fer_core.live.processor import LiveProcessor
from fer_core.live.table import COLUMNS, LAST, FaceTable
from fer_core.workspace import make_directory

if TYPE_CHECKING:
    import av

_EARLY_PACKETS = 500
_LARGEST_FRAME = 40_000_000  # pixels; refused before decoding
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov")


@dataclass(frozen=True, slots=True)
class VideoProgress:
    """How far a video is.

    Attributes:
        seconds: of the video, done.
        total_seconds: of the video, or None where the file does not say.
        frames: done.
        seconds_left: of waiting, or None where unknown.
        preview: the newest annotated frame, uint8 RGB.
    """

    seconds: float
    total_seconds: float | None
    frames: int
    seconds_left: float | None
    preview: npt.NDArray[np.uint8]


@dataclass
class VideoResult:
    """What came of a video.

    Attributes:
        frames, seconds: of the video, processed.
        tracks: how many different people were followed.
        faces: detections over all frames.
        stopped: it was cancelled; the files hold what was done until then.
        notes: what a person should know (audio left out, the file was cut short).
    """

    frames: int = 0
    seconds: float = 0.0
    tracks: int = 0
    faces: int = 0
    stopped: bool = False
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def annotate_video(
    source: str | Path,
    output: str | Path | None,
    table: str | Path | None,
    classifier: Classifier,
    *,
    processor: LiveProcessor | None = None,
    config: LiveConfig | None = None,
    on_progress: Callable[[VideoProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> VideoResult:
    """Follow and classify the faces of a video.

    Args:
        source: any file FFmpeg can read.
        output: annotated copy (.mp4, .m4v, .mov) with the sound of the source, or None.
        table: csv with a row for each face in each frame: time, track, box, label, abstained, seven probabilities.
        classifier: the network.
        processor: follows and classifies; made from ``config`` when None.
        config: settings of the live view; bars and mirror are taken from here (a video is not mirrored by default).
        on_progress: called a few times a second.
        should_stop: asked after each frame; what was done until then is kept in valid files.

    Raises:
        ImageError: the file is no video, holds no frame, or is refused for its size.
        WorkspaceError: a file cannot be written.
    """
    import av

    config = config or LiveConfig(mirror=False)
    processor = processor or LiveProcessor(classifier, config=config)
    if output is not None and Path(output).suffix.lower() not in VIDEO_SUFFIXES:
        raise ImageError(f"'{Path(output).name}' does not end like a video. Use {', '.join(VIDEO_SUFFIXES)}.")
    if output is not None and Path(output).resolve() == Path(source).resolve():
        raise ImageError("The annotated video would overwrite its source. Choose another name for the output.")
    result, numbers = VideoResult(), set[int]()
    started = last_report = clock.perf_counter()
    with ExitStack() as stack:
        reader = stack.enter_context(_Reader(Path(source)))
        writer: _Writer | None = None
        rows = stack.enter_context(FaceTable(Path(table), classifier.labels)) if table is not None else None
        try:
            early: list[av.Packet[Any]] = []  # sound that comes before the first picture
            for item in reader.items():
                if not isinstance(item, tuple):
                    if writer:
                        writer.file.copy_sound(item)
                    elif output is not None and len(early) < _EARLY_PACKETS:
                        early.append(item)
                    continue
                time, frame = item
                if output is not None and writer is None:
                    writer = stack.enter_context(
                        _Writer(Path(output), frame, reader, f"Sensitivity {processor.sensitivity:g}")
                    )
                    for packet in early:
                        writer.file.copy_sound(packet)
                found = processor.process(frame, time)
                if rows:
                    rows.add(found, time)
                picture = None
                if writer:
                    picture = draw_marks(frame, found.marks(), mirror=config.mirror, bars=config.bars)
                    writer.file.add(picture, time)
                result.frames += 1
                result.seconds = time
                result.faces += len(found.faces)
                numbers.update(face.number for face in found.faces)
                now = clock.perf_counter()
                if on_progress and (now - last_report > 0.25 or result.frames == 1):
                    last_report = now
                    left = None
                    if reader.duration and time > 0:
                        left = max(0.0, (reader.duration - time) * (now - started) / time)
                    shown = (
                        picture
                        if picture is not None
                        else draw_marks(frame, found.marks(), mirror=config.mirror, bars=config.bars)
                    )
                    on_progress(VideoProgress(time, reader.duration, result.frames, left, shown))
                if should_stop and should_stop():
                    result.stopped = True
                    break
        except av.FFmpegError as error:
            raise WorkspaceError(f"Writing the video failed ({error}). Free some space and try again.") from error
        if not result.frames:
            raise ImageError(f"{Path(source).name} holds no picture that can be decoded, so there is nothing to do.")
        if writer:
            writer.finish()
        result.notes += reader.notes + (writer.notes if writer else [])
    result.tracks = len(numbers)
    return result


class _Reader:
    """Upright RGB frames with their times, and the packets of sound in between."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []

    def __enter__(self) -> _Reader:
        import av

        if not self.path.is_file():
            raise ImageError(f"There is no file '{self.path}'. Give a video file.")
        try:
            self.container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, ValueError, OSError) as error:
            raise ImageError(f"{self.path.name} is not a video that can be read ({_reason(error)}).") from error
        if not self.container.streams.video:
            self.container.close()
            raise ImageError(f"{self.path.name} holds no pictures, only {_kinds(self.container)}. Give a video file.")
        self.video = self.container.streams.video[0]
        context = self.video.codec_context
        if context is None:  # FFmpeg knows no decoder for what the file says it holds
            self.container.close()
            raise ImageError(f"{self.path.name} is in a format whose pictures cannot be read here. Convert it to mp4.")
        if not context.width or not context.height or context.width * context.height > _LARGEST_FRAME:
            self.container.close()
            raise ImageError(
                f"{self.path.name} has frames of {context.width}×{context.height} pixels; up to 40 megapixels can be handled."
            )
        self.audio = self.container.streams.audio[0] if self.container.streams.audio else None
        self.video.thread_type = "AUTO"
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def duration(self) -> float | None:
        """Seconds, or None where the file does not say."""
        if self.video.duration is not None and self.video.time_base is not None:
            return float(self.video.duration * self.video.time_base)
        return self.container.duration / 1_000_000 if self.container.duration else None

    @property
    def rate(self) -> Fraction:
        """Frames per second, for the encoder's bit-rate control only; times come from the frames."""
        rate = self.video.average_rate or self.video.base_rate or Fraction(25)
        return Fraction(rate).limit_denominator(1001) if 1 <= rate <= 240 else Fraction(25)

    def items(self) -> Iterator[tuple[float, npt.NDArray[np.uint8]] | av.Packet[Any]]:
        """Pictures as (seconds from the first one, uint8 RGB (H, W, 3)), and packets of sound, as they come.

        A file cut short ends where its data end.
        """
        import av

        first: float | None = None
        previous = -1.0
        streams = [self.video] + ([self.audio] if self.audio else [])
        try:
            for packet in self.container.demux(streams):
                if packet.stream is not self.video:
                    yield packet
                    continue
                for frame in self.video.decode(packet):
                    if frame.width * frame.height > _LARGEST_FRAME:
                        raise ImageError(f"{self.path.name} changes to frames of {frame.width}×{frame.height} pixels.")
                    seconds = frame.time if frame.time is not None else previous + float(1 / self.rate)
                    first = seconds if first is None else first
                    time = max(seconds - first, previous + 1e-4)  # broken files jump backwards
                    previous = time
                    yield time, _upright(frame)
        except (av.FFmpegError, ValueError) as error:
            self.notes.append(
                f"The file is damaged or cut short after {max(previous, 0):.1f} seconds ({_reason(error)})."
            )


class _Writer:
    """The annotated copy. Written under a temporary name; finished files only get the real one."""

    def __init__(self, path: Path, first: npt.NDArray[np.uint8], reader: _Reader, comment: str) -> None:
        self.path, self.reader, self.first, self.comment = path, reader, first, comment
        self.temporary = path.with_name(f".{path.stem}.part{path.suffix}")
        self.notes: list[str] = []

    def __enter__(self) -> _Writer:
        import av

        make_directory(self.path.parent)
        height, width = self.first.shape[:2]
        try:
            self.file = Mp4Writer(self.temporary, width, height, rate=self.reader.rate, comment=self.comment)
        except (av.FFmpegError, OSError) as error:
            raise WorkspaceError(f"{self.path} cannot be written ({_reason(error)}).") from error
        sound = self.reader.audio
        if sound is not None and not self.file.add_sound(sound):
            self.notes.append(f"The sound ({sound.codec_context.name}) cannot be kept in this kind of file.")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()  # closing what failed half-way must not hide the reason
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)

    def finish(self) -> None:
        """Flush and give the file its name."""
        self.file.finish()
        try:
            self.temporary.replace(self.path)
        except OSError as error:
            raise WorkspaceError(f"{self.path} cannot be written ({error.strerror}).") from error


@dataclass(frozen=True, eq=False)
class Timeline:
    """What the csv of a video says, thinned for a chart.

    Attributes:
        classes: of the model.
        tracks: number -> (times float64 (n,), probabilities float32 (n, C)).
    """

    classes: ClassList
    tracks: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]


def read_timeline(table: str | Path, points: int = 600) -> Timeline:
    """Read a csv of :func:`annotate_video`, at most ``points`` rows for each track, evenly spread.

    Raises:
        ImageError: the file is missing or is no such csv.
    """
    try:
        text = Path(table).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{table} cannot be read as a table of faces.") from error
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if tuple(header[: len(COLUMNS)]) != COLUMNS:
        raise ImageError(f"{table} is not a table of faces made from a video.")
    end = len(header) - 1 if header[-1] == LAST else len(header)
    labels = tuple(map(from_csv_cell, header[len(COLUMNS) : end]))
    try:
        classes = ClassList(labels)
    except DataError as error:
        raise ImageError(f"{table} is not a table of faces made from a video. {error}") from error
    rows: dict[int, list[list[float]]] = {}
    for row in reader:
        with suppress(ValueError):  # a last line cut short
            values = [float(row[0]), *map(float, row[len(COLUMNS) : end])]
            if len(values) == len(labels) + 1:
                rows.setdefault(int(row[1]), []).append(values)
    tracks = {}
    for number, found in rows.items():
        picked = np.unique(np.linspace(0, len(found) - 1, min(points, len(found))).round().astype(int))
        array = np.array(found)[picked]
        tracks[number] = (array[:, 0], array[:, 1:].astype(np.float32))
    return Timeline(classes, tracks)


def _upright(frame: Any) -> npt.NDArray[np.uint8]:
    """RGB pixels, turned as the file's rotation says."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else np.asarray(pixels)


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _kinds(container: Any) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
