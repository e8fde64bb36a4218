"""A live session: annotates webcam frames and provides statistics, history and recording to the page.

One media thread calls ``frame``; the page's threads may call everything else at any time, including before the first
frame and after the last one.
"""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.annotate import draw_marks
from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.errors import FerError, QuotaError, WorkspaceError
from fer_core.images import png
from fer_core.inference import Classifier
from fer_core.live.frame_stats import FrameStats, FrameStatsRecorder
from fer_core.live.game import MODEL_CHANGED, Game
from fer_core.live.media.display import Placement
from fer_core.live.media.failures import write_error
from fer_core.live.media.writer import VideoWriter
from fer_core.live.neutral_baseline import NeutralBaselineState
from fer_core.live.processor import FrameResult, LiveFace, LiveProcessor
from fer_core.live.table import FaceTable
from fer_core.live.takes import TakeRecorder
from fer_core.workspace import Workspace, atomic_write, make_directory

HISTORY_SECONDS: Final = 20.0
"""Length of the history in seconds."""
SLOW_FRAME: Final = 0.1
"""Processing time in seconds from which a frame counts as slow."""
_SLOW_FRAMES = 30  # slow frames before the session reduces its workload
_REDUCED_SIDE = 224
_REDUCED_EVERY = 4

Frame = npt.NDArray[np.uint8]


@dataclass(slots=True)
class FaceHistory:
    """History of one face: times in seconds, probabilities (C,), and the last crop, uint8 (48, 48)."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=1200))
    probabilities: deque[npt.NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=1200))
    crop: Frame | None = None


class LiveSession:
    """The state behind one webcam page.

    Args:
        classifier: the model.
        config: settings of the live view; the defaults if None.
        processor: the processor; made from ``config`` if None.
    """

    def __init__(
        self, classifier: Classifier, config: LiveConfig | None = None, *, processor: LiveProcessor | None = None
    ) -> None:
        self._config = config or LiveConfig()
        self._processor = processor or LiveProcessor(classifier, config=self._config)
        self._stats = FrameStatsRecorder()
        self._lock = threading.Lock()  # guards the fields below; never held while a frame is processed
        self._latest: tuple[Frame, FrameResult] | None = None
        self._history: dict[int, FaceHistory] = {}
        self._recorder: Recorder | None = None
        self._game: Game | None = None
        self._takes: TakeRecorder | None = None
        self._frames = 0
        self._slow = 0
        self._reduced: str | None = None
        self._error: str | None = None
        self._first_frame: float | None = None
        self._last_frame: float | None = None
        self._last_face: float | None = None
        self._recording_error: str | None = None

    @property
    def config(self) -> LiveConfig:
        """The settings the user chose; a slow machine may use reduced ones (see :attr:`reduced`)."""
        return self._config

    def configure(self, config: LiveConfig) -> None:
        """Change the settings, from the next frame on."""
        with self._lock:
            if config == self._config:
                return
            self._config = config
            self._reduced, self._slow = None, 0
        self._processor.configure(config)

    @property
    def sensitivity(self) -> float:
        """Sensitivity of the current model, 0…1."""
        return self._processor.sensitivity

    def use(self, classifier: Classifier) -> None:
        """Switch to another model from the next frame on; removes the neutral baseline and ends a running game."""
        changed, game = self._processor.use(classifier), self._game
        if changed and game is not None:
            game.stop(MODEL_CHANGED)

    def warm_up(self) -> None:
        """Load and run the networks once, so that the first frame is fast; changes no state."""
        with suppress(Exception):  # the first frame reports the same error
            self._processor.warm_up()

    def frame(self, rgb: Frame, arrived: float | None = None, dropped: int = 0) -> Frame:
        """Annotate one frame; returns the frame without annotations if anything fails (see :attr:`error`).

        Args:
            rgb: uint8 RGB (H, W, 3); never changed.
            arrived: arrival time on the monotonic clock; now if None.
            dropped: number of older frames this one replaces.

        Returns:
            uint8 RGB (H, W, 3).
        """
        self._last_frame = clock.monotonic()
        arrived = self._last_frame if arrived is None else arrived
        self._stats.arrived(arrived, dropped)
        config, takes = self._config, self._takes
        try:
            if takes is not None:
                return self._judge(takes, rgb, arrived)
            result = self._processor.process(rgb, arrived)
            began = clock.perf_counter()
            image = draw_marks(rgb, result.marks(), mirror=config.mirror, bars=config.bars)
            stages = {**result.milliseconds, "draw": 1000 * (clock.perf_counter() - began)}
            self._store(image, result, arrived, mirrored=config.mirror)
            game = self._game
            if game is not None:
                game.add_frame(rgb, result)
        except Exception as error:  # the video must continue; the page shows the error
            with self._lock:
                self._error = str(error) if isinstance(error, FerError) else f"{type(error).__name__}: {error}"
            return np.ascontiguousarray(rgb[:, ::-1]) if config.mirror else rgb
        done = clock.monotonic()
        self._stats.finished(arrived, done, stages, len(result.faces))
        self._reduce_load(done - arrived)
        return image

    def _judge(self, takes: TakeRecorder, rgb: Frame, arrived: float) -> Frame:
        """Show a frame to the recorder of takes instead of the model."""
        began = clock.perf_counter()
        image = takes.frame(rgb, arrived, mirror=self._config.mirror)
        with self._lock:
            self._frames += 1
            self._error = None
        done = clock.monotonic()
        if takes.sees_face:
            self._last_face = done
        self._stats.finished(arrived, done, {"judge": 1000 * (clock.perf_counter() - began)}, 0)
        return image

    def _store(self, image: Frame, result: FrameResult, time: float, *, mirrored: bool) -> None:
        with self._lock:
            self._frames += 1
            self._first_frame = self._first_frame or clock.monotonic()
            if self._latest is not None and self._latest[1].classes != result.classes:
                self._history.clear()  # the probabilities of another model belong to other classes
            self._latest = (image, result)
            self._error = None
            for face in result.faces:
                history = self._history.setdefault(face.number, FaceHistory())
                history.times.append(time)
                history.probabilities.append(face.probabilities)
                history.crop = face.crop
            old = [n for n, h in self._history.items() if time - h.times[-1] > HISTORY_SECONDS]
            for number in old:
                del self._history[number]
            recorder = self._recorder
            if result.faces:
                self._last_face = clock.monotonic()
        if recorder is not None:
            self._record(recorder, image, result, time, mirrored=mirrored)

    def _record(self, recorder: Recorder, image: Frame, result: FrameResult, time: float, *, mirrored: bool) -> None:
        """Append a frame to the recording; one that cannot go on ends, and the page says why."""
        try:
            recorder.add(image, result, time, mirrored=mirrored)
        except FerError as error:
            with self._lock:
                self._recording_error = str(error)
                if self._recorder is recorder:
                    self._recorder = None
            raise

    def _reduce_load(self, seconds: float) -> None:
        """Detect faces less often and on smaller frames once processing has been slow for a while; report it."""
        self._slow = self._slow + 1 if seconds > SLOW_FRAME else max(0, self._slow - 2)
        if self._slow < _SLOW_FRAMES or self._reduced is not None:
            return
        config = self._config.model_copy(
            update={
                "longest_side": min(self._config.longest_side, _REDUCED_SIDE),
                "detect_every": max(self._config.detect_every, _REDUCED_EVERY),
            }
        )
        self._processor.configure(config)
        with self._lock:
            self._reduced = (
                f"This machine is too slow to process every frame. Faces are now detected every {config.detect_every} "
                f"frames, at {config.longest_side} pixels. Close programs that use the processor to speed it up."
            )

    # --- read by the page

    @property
    def reduced(self) -> str | None:
        """Message about the reduced workload on a slow machine, or None."""
        return self._reduced

    @property
    def error(self) -> str | None:
        """Error message of the newest frame, or None."""
        return self._error

    @property
    def frames(self) -> int:
        """Number of frames shown so far."""
        return self._frames

    @property
    def last_frame(self) -> float | None:
        """Time of the newest frame on the monotonic clock; None before the first."""
        return self._last_frame

    @property
    def last_face(self) -> float | None:
        """Time of the newest frame with a face on the monotonic clock; None before the first."""
        return self._last_face

    def stats(self) -> FrameStats:
        """Frame rate and latency over the last few seconds."""
        return self._stats.stats(clock.monotonic())

    def faces(self) -> tuple[LiveFace, ...]:
        """Faces of the newest frame; none if it is older than two seconds."""
        with self._lock:
            if self._latest is None or clock.monotonic() - self._latest[1].time > 2:
                return ()
            return self._latest[1].faces

    def crop(self, number: int) -> Frame | None:
        """Last crop of a track, uint8 (48, 48); None once the track has left the history."""
        with self._lock:
            history = self._history.get(number)
            return None if history is None or history.crop is None else history.crop.copy()

    def classes(self) -> ClassList:
        """Classes of the newest frame's probabilities; before the first frame, those of the current model."""
        with self._lock:
            return self._latest[1].classes if self._latest else self._processor.classes

    def history(self) -> dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]:
        """History by track number: times relative to now (seconds, negative, float64 (n,)) and probabilities float32 (n, C)."""
        now = clock.monotonic()
        with self._lock:
            copied = {n: (np.array(h.times), np.array(h.probabilities)) for n, h in self._history.items()}
        found = {}
        for number, (times, probabilities) in sorted(copied.items()):
            recent = now - times <= HISTORY_SECONDS
            if recent.any():
                found[number] = (times[recent] - now, probabilities[recent])
        return found

    def snapshot(self, workspace: Workspace) -> Path:
        """Save the newest annotated frame as PNG.

        Raises:
            FerError: there is no frame yet.
            WorkspaceError: the file cannot be written.
        """
        with self._lock:
            latest = self._latest
        if latest is None:
            raise FerError("There is no frame to save yet. Press START, then take the snapshot.")
        path = _new_file(workspace.recordings, "snapshot", ".png")
        with atomic_write(path) as file:
            file.write(png(latest[0]))
        return path

    @property
    def recording(self) -> Path | None:
        """Path of the video being recorded, or None."""
        recorder = self._recorder
        return recorder.path if recorder else None

    @property
    def recording_error(self) -> str | None:
        """Why the last recording ended by itself, or None."""
        return self._recording_error

    def start_recording(self, workspace: Workspace, *, most_bytes: int | None = None) -> Path:
        """Record from the next frame on; the files are written continuously, so a crash loses at most a few seconds.

        Args:
            workspace: where the files are written.
            most_bytes: size of the video at which the recording ends by itself; None for any.

        Returns:
            Path of the video.

        Raises:
            WorkspaceError: the folder cannot be written.
        """
        with self._lock:
            if self._recorder is None:
                folder = make_directory(workspace.recordings)
                self._recorder = Recorder(_new_file(folder, "recording", ".mp4"), most_bytes)
                self._recording_error = None
            return self._recorder.path

    def stop_recording(self) -> Path | None:
        """Finish the recording; returns its path, or None if nothing was recorded. May be called at any time."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
        return recorder.close() if recorder else None

    # --- neutral baseline (see :mod:`fer_core.live.neutral_baseline`)

    @property
    def neutral_baseline(self) -> NeutralBaselineState:
        """Progress and result of the neutral baseline."""
        return self._processor.neutral_baseline

    def record_neutral_baseline(self) -> None:
        """Record the next two seconds in which exactly one face is visible as that person's resting face.

        Raises:
            FerError: the camera is off.
            ModelError: the model has no class ``neutral``.
        """
        with self._lock:
            off = self._latest is None
        if off:
            raise FerError("The camera is off. Press START, then record the neutral baseline.")
        self._processor.record_neutral_baseline()

    def cancel_neutral_baseline(self) -> None:
        """Cancel a running recording of the baseline; the current one stays."""
        self._processor.cancel_neutral_baseline()

    def clear_neutral_baseline(self) -> None:
        """Remove the neutral baseline."""
        self._processor.clear_neutral_baseline()

    # --- the game (see :mod:`fer_core.live.game`)

    @property
    def game(self) -> Game | None:
        """The current or last game, or None."""
        return self._game

    def play(self, seed: int) -> Game:
        """Start a new game with the next frame; ``seed`` determines the order of its rounds.

        Raises:
            ModelError: the model has too few classes for a game.
        """
        self._game = game = Game(self._processor.classes, seed)
        return game

    def discard_game(self) -> None:
        """Discard the game and its photos."""
        self._game = None

    # --- recording of takes (see :mod:`fer_core.live.takes`)

    @property
    def takes(self) -> TakeRecorder | None:
        """The recorder that frames go to instead of the model, or None."""
        return self._takes

    def show_to(self, takes: TakeRecorder | None) -> None:
        """Send the frames to a recorder of takes from the next one on, or, with None, to the model again."""
        before, self._takes = self._takes, takes
        if before is not None and before is not takes:
            before.stop()
        if takes is not None and before is None:
            self.stop_recording()
            with self._lock:
                self._latest = None

    def stop(self) -> None:
        """Handle the end of the camera stream: finish the recording, discard the tracks. May be called repeatedly, at any time."""
        self.stop_recording()
        self._processor.reset()
        game = self._game
        if game is not None:
            game.pause()
        takes = self._takes
        if takes is not None:
            takes.stop()
        with self._lock:
            self._history.clear()
            self._latest = None
            self._slow = 0


class Recorder:
    """Writes an annotated mp4 and a csv of the same name while the camera runs.

    The mp4 is fragmented, so it plays up to the last second even if the process is killed. After a switch to a model
    with other classes, the rows go to a new table, ``… 2.csv``.
    """

    def __init__(self, path: Path, most_bytes: int | None = None) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._file: VideoWriter | None = None
        self._table: FaceTable | None = None
        self._tables = 0
        self._started = 0.0
        self._closed = False

    def add(self, image: Frame, result: FrameResult, time: float, *, mirrored: bool) -> None:
        """Append one frame; if its size differs from the first one's, it is letterboxed.

        Raises:
            QuotaError: the video is as large as it may be.
            WorkspaceError: the files cannot be written.
        """
        import av

        with self._lock:
            if self._closed:
                return
            if self._file is not None and self._most_bytes is not None and self.path.stat().st_size > self._most_bytes:
                self._finish()
                raise QuotaError(
                    f"The recording ended: your space is full. What was recorded until then is in {self.path.name}."
                )
            try:
                if self._file is None:
                    height, width = image.shape[:2]
                    comment = f"Sensitivity {result.sensitivity:g} at the start; the csv file lists it for each face."
                    self._file = VideoWriter(self.path, width, height, live=True, comment=comment)
                    self._started = time
                seconds, size = time - self._started, (image.shape[1], image.shape[0])
                placement = None if size == self._file.size else Placement.fit(size, self._file.size)
                self._file.add(image, seconds)
                self._table_for(result).add(result, seconds, mirrored=mirrored, placement=placement)
            except (OSError, av.FFmpegError) as error:
                self._finish()
                raise WorkspaceError(f"The recording stopped. {write_error(self.path, error)}") from error

    def _table_for(self, result: FrameResult) -> FaceTable:
        """The table with the classes of a frame as columns."""
        if self._table is None or self._table.labels != result.labels:
            if self._table is not None:
                self._table.close()
            self._tables += 1
            ending = ".csv" if self._tables == 1 else f" {self._tables}.csv"
            self._table = FaceTable(self.path.with_name(self.path.stem + ending), result.labels)
        return self._table

    def close(self) -> Path | None:
        """Finish the files; returns the path of the video, or None if no frame arrived."""
        with self._lock:
            had = self._file is not None
            self._finish()
            return self.path if had else None

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            with suppress(Exception):  # a fragmented file stays playable without its end
                self._file.finish()
            self._file.close()
        if self._table is not None:
            with suppress(OSError):
                self._table.close()


def frames_callback(session: LiveSession) -> Callable[..., Any]:
    """Make the callback that streamlit-webrtc calls, in its media thread, with all frames since the last call.

    The callback processes only the newest frame and counts the others as dropped. A frame's ``opaque``, if it is a
    float, is its arrival time on the monotonic clock.
    """

    async def newest(frames: list[Any]) -> list[Any]:
        import av

        frame = frames[-1]
        arrived = frame.opaque if isinstance(frame.opaque, float) else clock.monotonic()
        image = session.frame(frame.to_ndarray(format="rgb24"), arrived, dropped=len(frames) - 1)
        shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        shown.pts, shown.time_base = frame.pts, frame.time_base
        return [shown]

    return newest


def _new_file(folder: Path, kind: str, ending: str) -> Path:
    """Path of a new file such as ``snapshot 2026-01-31 14.05.09.png``."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    path, number = folder / f"{kind} {stamp}{ending}", 2
    while path.exists():
        path, number = folder / f"{kind} {stamp} ({number}){ending}", number + 1
    return path
