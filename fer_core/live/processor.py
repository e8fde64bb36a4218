"""One frame in, one result out: detect, track, classify all faces in one batch, smooth, decide."""

from __future__ import annotations

import threading
import time as clock
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fer_core.annotate import Mark
from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.faces import Face, FaceDetector, crop_box, crop_squares
from fer_core.faces.boxes import Box
from fer_core.inference import Classifier
from fer_core.live.calibration import CalibrationState, Calibrator
from fer_core.live.smoothing import Smoother
from fer_core.live.tracking import Tracker

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LiveFace:
    """One face in one frame.

    Attributes:
        number: the person's number.
        box: left, top, width, height in pixels of the frame.
        label: name of the expression after smoothing and hysteresis.
        probability: of that label after smoothing.
        abstained: its probability is below the threshold: the answer is "not sure".
        probabilities: (C,) after smoothing, and after the calibration to a resting face where there is one.
        raw_probabilities: (C,) of this frame alone, what Upload gives for the same frame and box.
        crop: uint8 (48, 48), what the network saw.
        score: the detector's.
    """

    number: int
    box: Box
    label: str
    probability: float
    abstained: bool
    probabilities: Floats
    raw_probabilities: Floats
    crop: npt.NDArray[np.uint8]
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """What one frame gave.

    Attributes:
        time: the frame's time in seconds.
        width, height: pixels of the frame.
        classes: of the model, in the order of the probabilities.
        faces: from left to right.
        detected: whether faces were looked for in this frame, or followed from an earlier one.
        milliseconds: time spent, by stage (``detect``, ``classify``).
        sensitivity: of the model, in 0…1.
    """

    time: float
    width: int
    height: int
    classes: ClassList
    faces: tuple[LiveFace, ...] = ()
    detected: bool = True
    milliseconds: dict[str, float] = field(default_factory=dict)
    sensitivity: float = 0.0

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.classes.names

    def marks(self) -> list[Mark]:
        """The faces as they are drawn."""
        return [
            Mark(
                face.box,
                face.number,
                self.classes,
                self.classes.position(face.label),
                face.probabilities.tolist(),
                face.abstained,
            )
            for face in self.faces
        ]


class LiveProcessor:
    """Holds what lasts between frames: tracks, smoothers, settings, the calibration.

    ``process`` may be called from any thread; calls take turns. All else may come at any moment from another thread and
    holds from the next frame on.
    """

    def __init__(
        self, classifier: Classifier, detector: FaceDetector | None = None, config: LiveConfig | None = None
    ) -> None:
        self._config = config or LiveConfig()
        self._classifier = classifier
        self._detector = detector or FaceDetector(longest_side=self._config.longest_side)
        self._tracker = Tracker()
        self._smoothers: dict[int, Smoother] = {}
        self._calibrator = Calibrator()
        self._last: tuple[tuple[int, Face], ...] = ()
        self._since_detection = 0
        self._size: tuple[int, int] | None = None
        self._lock = threading.Lock()

    @property
    def config(self) -> LiveConfig:
        """The settings in force."""
        return self._config

    @property
    def classes(self) -> ClassList:
        """Classes of the model in use."""
        return self._classifier.classes

    @property
    def sensitivity(self) -> float:
        """Of the model in use, in 0…1."""
        return self._classifier.sensitivity

    def configure(self, config: LiveConfig) -> None:
        """Use other settings from the next frame on."""
        with self._lock:
            if config.longest_side != self._config.longest_side:
                self._detector = FaceDetector(longest_side=config.longest_side)
            self._config = config

    def use(self, classifier: Classifier) -> bool:
        """Use another model, or the same at another sensitivity, from the next frame on.

        With another model smoothing begins anew; numbers stay; a calibration ends with what it belongs to. Returns
        whether it is another model.
        """
        with self._lock:
            if classifier is self._classifier:
                return False
            same = classifier.same_network(self._classifier)  # only the sensitivity differs
            self._classifier = classifier
            if same:
                self._calibrator.clear("The sensitivity was changed, so it has to be calibrated anew.")
                return False
            self._smoothers.clear()
            self._calibrator.clear("The model was changed, so it has to be calibrated anew.")
            return True

    def reset(self) -> None:
        """Forget all faces; a calibration in force stays."""
        with self._lock:
            self._tracker.reset()
            self._smoothers.clear()
            self._last = ()
            self._since_detection = 0
            self._calibrator.give_up(
                "The camera stopped before the two seconds were over. Start it and calibrate again."
            )

    @property
    def calibration(self) -> CalibrationState:
        """Where the calibration to a resting face stands."""
        return self._calibrator.state

    def calibrate(self) -> None:
        """Take the next two seconds in which one face is alone in the picture for that person's resting face.

        Raises:
            ModelError: the model knows no neutral face.
        """
        with self._lock:
            self._calibrator.begin(self._classifier.classes, self._classifier.temperature)

    def stop_calibrating(self) -> None:
        """Give up the two seconds that are being taken; a calibration in force stays."""
        with self._lock:
            self._calibrator.give_up("Calibration cancelled.")

    def forget_calibration(self) -> None:
        """Show again what the model says by itself."""
        with self._lock:
            self._calibrator.clear()

    def warm_up(self) -> None:
        """Load what the first frame needs and run it once, without a trace in tracks and smoothers."""
        self._detector.detect(np.zeros((480, 640, 3), np.uint8), fast=True)
        self._classifier.logits(np.zeros((1, 48, 48), np.uint8))

    def process(self, frame: npt.NDArray[np.uint8], time: float | None = None) -> FrameResult:
        """Faces and expressions in one frame.

        Args:
            frame: uint8 RGB (H, W, 3) or grey (H, W); not changed.
            time: seconds, ascending; the clock when None. Smoothing and gaps go by it.

        Raises:
            ImageError: the array is no image.
        """
        time = clock.monotonic() if time is None else time
        with self._lock:
            return self._process(frame, time)

    def _process(self, frame: npt.NDArray[np.uint8], time: float) -> FrameResult:
        config, classifier = self._config, self._classifier
        height, width = frame.shape[:2]
        if self._size != (height, width):  # another camera or orientation: old places mean nothing
            self._size, self._last, self._since_detection = (height, width), (), 0
        started = clock.perf_counter()
        detected = self._since_detection % config.detect_every == 0 or not self._last
        if detected:
            self._since_detection = 0
            faces = self._detector.detect(frame, fast=True)
            if len(faces) > config.max_faces:
                largest = sorted(faces, key=lambda f: -f.box[2] * f.box[3])[: config.max_faces]
                faces = tuple(sorted(largest, key=lambda f: f.centre))
            tracks = self._tracker.update(faces, time, config.gap)
            self._last = tuple((track.number, face) for track, face in zip(tracks, faces, strict=True))
            known = {track.number for track in self._tracker.tracks}
            self._smoothers = {number: s for number, s in self._smoothers.items() if number in known}
        self._since_detection += 1
        found = clock.perf_counter()
        crops = crop_squares(frame, [crop_box(face) for _, face in self._last])
        logits = classifier.logits(crops)
        self._calibrator.see([face for _, face in self._last], classifier.adjust(logits), time)
        results = [
            self._answer(number, face, row, crop, time, config, classifier)
            for (number, face), row, crop in zip(self._last, logits, crops, strict=True)
        ]
        done = clock.perf_counter()
        stages = {"detect": 1000 * (found - started), "classify": 1000 * (done - found)}
        return FrameResult(
            time, width, height, classifier.classes, tuple(results), detected, stages, classifier.sensitivity
        )

    def _answer(
        self,
        number: int,
        face: Face,
        logits: Floats,
        crop: npt.NDArray[np.uint8],
        time: float,
        config: LiveConfig,
        classifier: Classifier,
    ) -> LiveFace:
        from fer_core.inference import softmax

        smoother = self._smoothers.setdefault(number, Smoother())
        smoother.update(logits, time, config.smoothing)
        # raw logits are smoothed, so that another sensitivity holds from the next frame on
        baseline = self._calibrator.lowered
        lowered = classifier.shift if baseline is None else classifier.shift + baseline
        label, probabilities = smoother.answer(classifier.temperature, config.hysteresis, lowered)
        threshold = classifier.abstain_below if config.abstain_below is None else config.abstain_below
        return LiveFace(
            number=number,
            box=face.box,
            label=classifier.classes[label],
            probability=float(probabilities[label]),
            abstained=bool(probabilities[label] < threshold),
            probabilities=probabilities,
            raw_probabilities=softmax(classifier.adjust(logits), classifier.temperature),
            crop=crop,
            score=face.score,
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """A read-out for people.

    Attributes:
        received, shown: frames per second over the last few seconds.
        dropped: frames left out since the start since a newer one had come.
        age: median milliseconds from a frame's arrival to its result, over the last few seconds.
        stages: median milliseconds by stage.
        faces: faces in the newest frame.
    """

    received: float
    shown: float
    dropped: int
    age: float
    stages: dict[str, float]
    faces: int


class Meter:
    """Counts frames and times; thread-safe; remembers the last few seconds only."""

    def __init__(self, seconds: float = 3.0) -> None:
        self._seconds = seconds
        self._received: deque[float] = deque(maxlen=1000)
        self._shown: deque[tuple[float, float, dict[str, float]]] = deque(maxlen=1000)
        self._dropped = 0
        self._faces = 0
        self._lock = threading.Lock()

    def arrived(self, time: float, dropped: int = 0) -> None:
        """A frame came at ``time``; ``dropped`` older ones were left out for it."""
        with self._lock:
            self._received.extend([time] * (1 + dropped))
            self._dropped += dropped

    def finished(self, arrived: float, time: float, stages: dict[str, float], faces: int) -> None:
        """The frame that came at ``arrived`` was ready at ``time``."""
        with self._lock:
            self._shown.append((time, 1000 * (time - arrived), stages))
            self._faces = faces

    def read(self, now: float) -> Rates:
        """The figures over the last few seconds before ``now``."""
        with self._lock:
            received = [t for t in self._received if now - t <= self._seconds]
            shown = [entry for entry in self._shown if now - entry[0] <= self._seconds]
            names = shown[-1][2] if shown else {}
            return Rates(
                received=_rate(received),
                shown=_rate([entry[0] for entry in shown]),
                dropped=self._dropped,
                age=float(np.median([entry[1] for entry in shown])) if shown else 0.0,
                stages={name: float(np.median([entry[2].get(name, 0.0) for entry in shown])) for name in names},
                faces=self._faces if shown else 0,
            )


def _rate(times: list[float]) -> float:
    """Frames per second: (n - 1) / (last - first)."""
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
