"""Annotates video files: tracks and classifies every face, and writes an annotated copy and a csv table.

Frames are processed one at a time, so memory does not grow with the length of the video.
"""

from __future__ import annotations

import csv
import io
import time as clock
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.annotate import draw_marks
from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.errors import DataError, ImageError
from fer_core.formatting import from_csv_cell
from fer_core.inference import Classifier
from fer_core.live.media.failures import write_error
from fer_core.live.media.reader import VideoReader
from fer_core.live.media.writer import VideoWriter
from fer_core.live.processor import LiveProcessor
from fer_core.live.table import COLUMNS, LAST, FaceTable
from fer_core.workspace import make_directory

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov")
"""Extensions of an annotated copy."""
_EARLY_BYTES: Final = 64 * 2**20
"""Most sound before the first frame that is buffered; an hour of AAC."""


@dataclass(frozen=True, slots=True)
class VideoProgress:
    """Progress of a video job.

    Attributes:
        seconds: processed seconds of the video.
        total_seconds: duration of the video; None if unknown.
        frames: number of processed frames.
        seconds_left: estimated remaining processing time in seconds; None if unknown.
        preview: the newest annotated frame, uint8 RGB (H, W, 3).
    """

    seconds: float
    total_seconds: float | None
    frames: int
    seconds_left: float | None
    preview: npt.NDArray[np.uint8]


@dataclass
class VideoResult:
    """Result of a video job.

    Attributes:
        frames: number of processed frames.
        seconds: time of the last processed frame, from the start of the video.
        tracks: number of tracks, that is of different people.
        faces: number of faces over all frames.
        stopped: whether the job was canceled; the files then end at that frame.
        notes: messages for the user, such as omitted sound or a damaged file.
        skipped_packets: number of video packets that could not be decoded.
        width, height: size of the frames in pixels, as a player shows them; boxes in the table refer to it.
    """

    frames: int = 0
    seconds: float = 0.0
    tracks: int = 0
    faces: int = 0
    stopped: bool = False
    notes: list[str] = field(default_factory=list)
    skipped_packets: int = 0
    width: int = 0
    height: int = 0

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
    """Track and classify the faces of a video.

    Times in the table and in the annotated copy start at the first frame or sound of the source, whichever comes first.
    Boxes refer to frames as a player shows them.

    Args:
        source: any video FFmpeg can read.
        output: path of the annotated copy (.mp4, .m4v, .mov), which includes the sound; None for no copy.
        table: path of a csv with a row for each face in each frame: time, track, box, label, abstained, and a
            probability for each class; None for no table.
        classifier: the model.
        processor: tracks and classifies the faces; made from ``config`` if None.
        config: settings of the live view; by default a video is not mirrored.
        on_progress: called a few times per second.
        should_stop: called after each frame; True ends the job, and the files are valid up to that frame.

    Raises:
        ImageError: the file is not a video, has no frame that can be decoded, or its frames are too large.
        WorkspaceError: a file cannot be written.
    """
    config = config or LiveConfig(mirror=False)
    processor = processor or LiveProcessor(classifier, config=config)
    if output is not None and Path(output).suffix.lower() not in VIDEO_SUFFIXES:
        raise ImageError(
            f"'{Path(output).name}' does not have the extension of a video. Use {', '.join(VIDEO_SUFFIXES)}."
        )
    if output is not None and Path(output).resolve() == Path(source).resolve():
        raise ImageError("The annotated video would overwrite its source. Choose another name for the output.")
    result, numbers = VideoResult(), set[int]()
    started = last_report = clock.perf_counter()
    with ExitStack() as stack:
        reader = stack.enter_context(VideoReader(Path(source)))
        rows = stack.enter_context(FaceTable(Path(table), classifier.labels)) if table is not None else None
        copy: _Copy | None = None
        early: list[av.Packet[Any]] = []  # sound before the first frame, which fixes the size of the copy
        early_bytes = 0
        for item in reader.items():
            if not isinstance(item, tuple):
                if copy:
                    copy.add_sound(item)
                elif output is not None and early_bytes < _EARLY_BYTES:
                    early.append(item)
                    early_bytes += item.size
                continue
            time, frame = item
            if output is not None and copy is None:
                copy = stack.enter_context(_Copy(Path(output), reader, f"Sensitivity {processor.sensitivity:g}"))
                for packet in early:
                    copy.add_sound(packet)
                early.clear()
            found = processor.process(frame, time)
            if rows:
                rows.add(found, time, mirrored=config.mirror)
            image = None
            if copy:
                image = draw_marks(frame, found.marks(), mirror=config.mirror, bars=config.bars)
                copy.add(image, time)
            result.frames += 1
            result.seconds = time
            result.faces += len(found.faces)
            numbers.update(face.number for face in found.faces)
            now = clock.perf_counter()
            if on_progress and (now - last_report > 0.25 or result.frames == 1):
                last_report = now
                if image is None:
                    image = draw_marks(frame, found.marks(), mirror=config.mirror, bars=config.bars)
                total = reader.duration if reader.duration and reader.duration >= time else None
                left = (total - time) * (now - started) / time if total and time > 0 else None
                on_progress(VideoProgress(time, total, result.frames, left, image))
            if should_stop and should_stop():
                result.stopped = True
                break
        if copy:
            copy.finish()
        result.notes += reader.notes + (copy.notes if copy else [])
        result.skipped_packets = reader.skipped
        result.width, result.height = reader.size
    result.tracks = len(numbers)
    return result


class _Copy:
    """The annotated copy. It is written under a temporary name and renamed once it is complete.

    Raises:
        WorkspaceError: (from every method) the file cannot be written.
    """

    def __init__(self, path: Path, reader: VideoReader, comment: str) -> None:
        self.path, self.reader, self.comment = path, reader, comment
        self.temporary = path.with_name(f".{path.stem}.part{path.suffix}")

    def __enter__(self) -> _Copy:
        make_directory(self.path.parent)
        with self._errors():
            self.file = VideoWriter(self.temporary, *self.reader.size, rate=self.reader.rate, comment=self.comment)
        if self.reader.audio is not None:
            self.file.add_sound(self.reader.audio)
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()  # raises nothing, so the reason of a failure stays visible
        with suppress(OSError):
            self.temporary.unlink(missing_ok=True)

    @property
    def notes(self) -> list[str]:
        """What a person should know about the copy."""
        return self.file.notes

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import av

        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise write_error(self.path, error) from error

    def add(self, image: npt.NDArray[np.uint8], seconds: float) -> None:
        """Append a frame, uint8 RGB (H, W, 3)."""
        with self._errors():
            self.file.add(image, seconds)

    def add_sound(self, packet: av.Packet[Any]) -> None:
        """Append a packet of the source's sound."""
        with self._errors():
            self.file.add_sound_packet(packet)

    def finish(self) -> None:
        """Complete the file and give it its name."""
        with self._errors():
            self.file.finish()
            self.temporary.replace(self.path)


@dataclass(frozen=True, eq=False)
class Timeline:
    """Probabilities over time from the table of a video, thinned for a chart.

    Attributes:
        classes: C classes of the model.
        tracks: track number -> (times in seconds float64 (n,), probabilities float32 (n, C)).
    """

    classes: ClassList
    tracks: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]


def read_timeline(table: str | Path, points: int = 600) -> Timeline:
    """Read a table of :func:`annotate_video`, at most ``points`` evenly spread rows of each track.

    Raises:
        ImageError: the file is missing or is not such a table.
    """
    try:
        text = Path(table).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{table} cannot be read. Choose a csv file made from a video.") from error
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if tuple(header[: len(COLUMNS)]) != COLUMNS:
        raise ImageError(f"{table} is not a table of faces from a video. Choose a csv file made from a video.")
    end = len(header) - 1 if header[-1] == LAST else len(header)
    labels = tuple(map(from_csv_cell, header[len(COLUMNS) : end]))
    try:
        classes = ClassList(labels)
    except DataError as error:
        raise ImageError(f"{table} is not a table of faces from a video. {error}") from error
    rows: dict[int, list[list[float]]] = {}
    for row in reader:
        with suppress(ValueError):  # the last line may be incomplete
            values = [float(row[0]), *map(float, row[len(COLUMNS) : end])]
            if len(values) == len(labels) + 1:
                rows.setdefault(int(row[1]), []).append(values)
    tracks = {}
    for number, found in rows.items():
        picked = np.unique(np.linspace(0, len(found) - 1, min(points, len(found))).round().astype(int))
        array = np.array(found)[picked]
        tracks[number] = (array[:, 0], array[:, 1:].astype(np.float32))
    return Timeline(classes, tracks)
