"""One live view: frames in, annotated frames out, with what the page beside it shows: rates, history, recording.

Threads: ``frame`` is called by one media thread; everything else by the page's threads, at any moment, before the
first frame and after the last one too.
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
from fer_core.errors import FerError, WorkspaceError
from fer_core.images import png
from fer_core.inference import Classifier
from fer_core.live.calibration import CalibrationState
from fer_core.live.game import ANOTHER_MODEL, Game
from fer_core.live.mp4 import Mp4Writer
from fer_core.live.processor import FrameResult, LiveFace, LiveProcessor, Meter, Rates
from fer_core.live.table import FaceTable
from fer_core.workspace import Workspace, atomic_write, make_directory

HISTORY_SECONDS: Final = 20.0
SLOW_FRAME: Final = 0.1
"""Seconds a frame may take before the session reduces its own work."""
_SLOW_FOR = 30  # frames over that limit before something is reduced
_REDUCED_SIDE = 224
_REDUCED_EVERY = 4

Frame = npt.NDArray[np.uint8]


@dataclass(slots=True)
class FaceHistory:
    """The last seconds of one face: times in seconds and probabilities (C,)."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=1200))
    probabilities: deque[npt.NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=1200))
    crop: Frame | None = None  # what the network saw last


class LiveSession:
    """Everything behind one webcam page."""

    def __init__(
        self, classifier: Classifier, config: LiveConfig | None = None, *, processor: LiveProcessor | None = None
    ) -> None:
        self._config = config or LiveConfig()
        self._processor = processor or LiveProcessor(classifier, config=self._config)
        self._meter = Meter()
        self._lock = threading.Lock()  # guards what follows; never held while a frame is worked on
        self._latest: tuple[Frame, FrameResult] | None = None
        self._history: dict[int, FaceHistory] = {}
        self._recorder: Recorder | None = None
        self._game: Game | None = None
        self._frames = 0
        self._slow = 0
        self._reduced: str | None = None
        self._error: str | None = None
        self._first_frame: float | None = None

    @property
    def config(self) -> LiveConfig:
        """The settings a person chose; the session may work with less (see :attr:`reduced`)."""
        return self._config

    def configure(self, config: LiveConfig) -> None:
        """Use other settings from the next frame on."""
        with self._lock:
            if config == self._config:
                return
            self._config = config
            self._reduced, self._slow = None, 0
        self._processor.configure(config)

    @property
    def sensitivity(self) -> float:
        """Of the model in use, in 0…1."""
        return self._processor.sensitivity

    def use(self, classifier: Classifier) -> None:
        """Use another model from the next frame on; a calibration and a running game end with the one before."""
        another, game = self._processor.use(classifier), self._game
        if another and game is not None:
            game.stop(ANOTHER_MODEL)

    def warm_up(self) -> None:
        """Do what is slow the first time only, so that the first frame is not; changes nothing."""
        with suppress(Exception):  # whatever it is, the first frame will say it
            self._processor.warm_up()

    def frame(self, rgb: Frame, arrived: float | None = None, dropped: int = 0) -> Frame:
        """Work on one frame; always gives a picture back, the plain one if anything fails.

        Args:
            rgb: uint8 (H, W, 3); not changed.
            arrived: when it came, on the monotonic clock; now when None.
            dropped: older frames that were left out for it.
        """
        arrived = clock.monotonic() if arrived is None else arrived
        self._meter.arrived(arrived, dropped)
        config = self._config
        try:
            result = self._processor.process(rgb, arrived)
            began = clock.perf_counter()
            picture = draw_marks(rgb, result.marks(), mirror=config.mirror, bars=config.bars)
            stages = {**result.milliseconds, "draw": 1000 * (clock.perf_counter() - began)}
            self._keep(picture, result, arrived)
            game = self._game
            if game is not None:
                game.see(rgb, result)
        except Exception as error:  # whatever it is, the picture must go on and the page say what happened
            with self._lock:
                self._error = str(error) if isinstance(error, FerError) else f"{type(error).__name__}: {error}"
            return np.ascontiguousarray(rgb[:, ::-1]) if config.mirror else rgb
        done = clock.monotonic()
        self._meter.finished(arrived, done, stages, len(result.faces))
        self._relieve(done - arrived)
        return picture

    def _keep(self, picture: Frame, result: FrameResult, time: float) -> None:
        with self._lock:
            self._frames += 1
            self._first_frame = self._first_frame or clock.monotonic()
            if self._latest is not None and self._latest[1].classes != result.classes:
                self._history.clear()  # another model: its probabilities mean other classes
            self._latest = (picture, result)
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
        if recorder is not None:
            recorder.add(picture, result, time)

    def _relieve(self, seconds: float) -> None:
        """When frames keep taking too long, search for faces more rarely and on a smaller picture, and say so."""
        self._slow = self._slow + 1 if seconds > SLOW_FRAME else max(0, self._slow - 2)
        if self._slow < _SLOW_FOR or self._reduced is not None:
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
                f"This machine is too slow for every frame, so faces are looked for every {config.detect_every} frames "
                f"on a picture of {config.longest_side} pixels. Other programs may be using the processor."
            )

    # --- what the page reads

    @property
    def reduced(self) -> str | None:
        """What the session reduced because the machine is slow, in words."""
        return self._reduced

    @property
    def error(self) -> str | None:
        """What went wrong with the newest frame."""
        return self._error

    @property
    def frames(self) -> int:
        """Frames shown so far."""
        return self._frames

    def rates(self) -> Rates:
        """The read-out."""
        return self._meter.read(clock.monotonic())

    def faces(self) -> tuple[LiveFace, ...]:
        """The faces of the newest frame; none when frames stopped coming more than two seconds ago."""
        with self._lock:
            if self._latest is None or clock.monotonic() - self._latest[1].time > 2:
                return ()
            return self._latest[1].faces

    def crop(self, number: int) -> Frame | None:
        """The face of this number as the network saw it last, uint8 (48, 48); None when that is too long ago."""
        with self._lock:
            history = self._history.get(number)
            return None if history is None or history.crop is None else history.crop.copy()

    def classes(self) -> ClassList:
        """Classes of the newest frame's probabilities; before the first frame those of the model in use."""
        with self._lock:
            return self._latest[1].classes if self._latest else self._processor.classes

    def history(self) -> dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]:
        """For each face: seconds before now (negative, float64 (n,)) and probabilities float32 (n, C)."""
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
            WorkspaceError: it cannot be written.
        """

        with self._lock:
            latest = self._latest
        if latest is None:
            raise FerError("There is no picture yet. Start the camera first.")
        path = _new_file(workspace.recordings, "snapshot", ".png")
        with atomic_write(path) as file:
            file.write(png(latest[0]))
        return path

    @property
    def recording(self) -> Path | None:
        """The video being recorded, or None."""
        recorder = self._recorder
        return recorder.path if recorder else None

    def start_recording(self, workspace: Workspace) -> Path:
        """Record from the next frame on; written as it goes, so that a crash keeps what was recorded.

        Raises:
            WorkspaceError: it cannot be written.
        """
        with self._lock:
            if self._recorder is None:
                folder = make_directory(workspace.recordings)
                self._recorder = Recorder(_new_file(folder, "recording", ".mp4"))
            return self._recorder.path

    def stop_recording(self) -> Path | None:
        """Finish the recording; None when nothing was recorded. Harmless at any moment."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
        return recorder.close() if recorder else None

    # --- calibration to a resting face (see :mod:`fer_core.live.calibration`)

    @property
    def calibration(self) -> CalibrationState:
        """Where the calibration stands."""
        return self._processor.calibration

    def calibrate(self) -> None:
        """Take the next two seconds in which one face is alone in the picture for that person's resting face.

        Raises:
            FerError: the camera is off.
            ModelError: the model knows no neutral face.
        """
        with self._lock:
            off = self._latest is None
        if off:
            raise FerError("No picture comes from the camera. Press START under the picture, then calibrate.")
        self._processor.calibrate()

    def stop_calibrating(self) -> None:
        """Give up a calibration that is being taken; one in force stays."""
        self._processor.stop_calibrating()

    def forget_calibration(self) -> None:
        """Show again what the model says by itself."""
        self._processor.forget_calibration()

    # --- the game (see :mod:`fer_core.live.game`)

    @property
    def game(self) -> Game | None:
        """The game that is played or was played last, or None."""
        return self._game

    def play(self, seed: int) -> Game:
        """Begin a game from the next frame on, in place of any other; ``seed`` decides the order of its rounds.

        Raises:
            ModelError: the model has too few classes to ask for.
        """
        self._game = game = Game(self._processor.classes, seed)
        return game

    def forget_game(self) -> None:
        """Drop the game with its pictures."""
        self._game = None

    def stop(self) -> None:
        """The camera stopped: finish what is open, forget the faces. May be called at any moment and repeatedly."""
        self.stop_recording()
        self._processor.reset()
        game = self._game
        if game is not None:
            game.pause()
        with self._lock:
            self._history.clear()
            self._latest = None
            self._slow = 0


class Recorder:
    """An annotated mp4 and a csv beside it, written while the camera runs.

    The mp4 is fragmented, so that it plays up to the last second even when the program is killed. A model of other
    classes that is put to use meanwhile has a csv of its own, ``… 2.csv``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: Mp4Writer | None = None
        self._table: FaceTable | None = None
        self._tables = 0
        self._started = 0.0
        self._closed = False

    def add(self, picture: Frame, result: FrameResult, time: float) -> None:
        """Append one frame.

        Raises:
            WorkspaceError: the disk is full.
        """
        import av

        with self._lock:
            if self._closed:
                return
            try:
                if self._file is None:
                    height, width = picture.shape[:2]
                    comment = (
                        f"Sensitivity {result.sensitivity:g} at the beginning; the csv beside it says it for each face."
                    )
                    self._file = Mp4Writer(self.path, width, height, live=True, comment=comment)
                    self._started = time
                self._file.add(picture, time - self._started)
                self._table_for(result).add(result, time - self._started)
            except (OSError, av.FFmpegError) as error:
                self._finish()
                raise WorkspaceError(f"The recording stopped: {self.path} cannot be written ({error}).") from error

    def _table_for(self, result: FrameResult) -> FaceTable:
        """The table whose columns are the classes of a frame."""
        if self._table is None or self._table.labels != result.labels:
            if self._table is not None:
                self._table.close()
            self._tables += 1
            ending = ".csv" if self._tables == 1 else f" {self._tables}.csv"
            self._table = FaceTable(self.path.with_name(self.path.stem + ending), result.labels)
        return self._table

    def close(self) -> Path | None:
        """Finish the files; None when no frame came."""
        with self._lock:
            had = self._file is not None
            self._finish()
            return self.path if had else None

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            with suppress(Exception):  # what is written stays playable whatever the end of the stream meets
                self._file.finish()
            self._file.close()
        if self._table is not None:
            with suppress(OSError):
                self._table.close()


def frames_callback(session: LiveSession) -> Callable[..., Any]:
    """The function the video library calls, in its media thread, with all frames that came since the last call.

    Only the newest is worked on; the others are counted as dropped. Where a frame's ``opaque`` is a number, it is the
    time of its arrival on the monotonic clock.
    """

    async def newest(frames: list[Any]) -> list[Any]:
        import av

        frame = frames[-1]
        arrived = frame.opaque if isinstance(frame.opaque, float) else clock.monotonic()
        picture = session.frame(frame.to_ndarray(format="rgb24"), arrived, dropped=len(frames) - 1)
        shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        shown.pts, shown.time_base = frame.pts, frame.time_base
        return [shown]

    return newest


def _new_file(folder: Path, kind: str, ending: str) -> Path:
    """A file name that is not taken: ``snapshot 2026-01-31 14.05.09.png``."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    path, number = folder / f"{kind} {stamp}{ending}", 2
    while path.exists():
        path, number = folder / f"{kind} {stamp} ({number}){ending}", number + 1
    return path
