"""Processes a live view frame by frame: detect and track faces, classify them in one batch, smooth the predictions."""

from __future__ import annotations

import threading
import time as clock
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fer_core.annotate import Mark
from fer_core.classes import ClassList
from fer_core.config import LiveConfig
from fer_core.faces import Face, FaceDetector, crop_box, crop_squares
from fer_core.faces.boxes import Box
from fer_core.inference import Classifier
from fer_core.live.neutral_baseline import NeutralBaselineRecorder, NeutralBaselineState
from fer_core.live.smoothing import Smoother
from fer_core.live.tracking import Tracker

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LiveFace:
    """One face in one frame.

    Attributes:
        number: number of the track, from 1.
        box: left, top, width, height in pixels of the frame.
        label: name of the predicted class after smoothing and hysteresis.
        probability: smoothed probability of that class.
        abstained: whether the prediction is "not sure": that probability is below the threshold, or the face is doubtful.
        probabilities: (C,), smoothed and corrected by the neutral baseline, if there is one.
        raw_probabilities: (C,), of this frame alone; equal to Upload's for the same frame and box.
        crop: uint8 (48, 48), input of the network.
        score: score of the face detector, 0…1.
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
    """Faces and timings of one processed frame.

    Attributes:
        time: time of the frame in seconds.
        width, height: size of the frame in pixels.
        classes: classes of the model, in the order of the probabilities.
        faces: faces from left to right.
        detected: whether the detector ran on this frame; if not, the faces keep their last positions.
        milliseconds: processing time of each stage (``detect``, ``classify``).
        sensitivity: sensitivity of the model, 0…1.
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
        """Marks that draw the faces."""
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
    """Detects, tracks and classifies faces; stores tracks, smoothers, settings and the neutral baseline between frames.

    Thread-safe. Calls of ``process`` run one at a time; a change made by any other method takes effect with the next
    frame.

    Args:
        classifier: the model.
        detector: the face detector; made from ``config`` if None.
        config: settings of the live view; the defaults if None.
    """

    def __init__(
        self, classifier: Classifier, detector: FaceDetector | None = None, config: LiveConfig | None = None
    ) -> None:
        self._config = config or LiveConfig()
        self._classifier = classifier
        self._detector = detector or FaceDetector(longest_side=self._config.longest_side)
        self._tracker = Tracker()
        self._smoothers: dict[int, Smoother] = {}
        self._baseline = NeutralBaselineRecorder()
        self._last: tuple[tuple[int, Face], ...] = ()
        self._since_detection = 0
        self._size: tuple[int, int] | None = None
        self._lock = threading.Lock()

    @property
    def config(self) -> LiveConfig:
        """The current settings."""
        return self._config

    @property
    def classes(self) -> ClassList:
        """Classes of the current model."""
        return self._classifier.classes

    @property
    def sensitivity(self) -> float:
        """Sensitivity of the current model, 0…1."""
        return self._classifier.sensitivity

    def configure(self, config: LiveConfig) -> None:
        """Change the settings, from the next frame on."""
        with self._lock:
            if config.longest_side != self._config.longest_side:
                self._detector = FaceDetector(longest_side=config.longest_side)
            self._config = config

    def use(self, classifier: Classifier) -> bool:
        """Switch to another model, or to another sensitivity of the same one, from the next frame on.

        Either removes the neutral baseline. Another model also resets the smoothing; track numbers stay.

        Returns:
            Whether it is another model.
        """
        with self._lock:
            if classifier is self._classifier:
                return False
            same = classifier.same_network(self._classifier)  # only the sensitivity differs
            self._classifier = classifier
            if same:
                self._baseline.clear("The sensitivity changed, so the neutral baseline was removed. Record it again.")
                return False
            self._smoothers.clear()
            self._baseline.clear("The model changed, so the neutral baseline was removed. Record it again.")
            return True

    def reset(self) -> None:
        """Discard all tracks; the neutral baseline stays."""
        with self._lock:
            self._tracker.reset()
            self._smoothers.clear()
            self._last = ()
            self._since_detection = 0
            self._baseline.cancel(
                "The camera stopped before the two seconds were over. Start it and record the neutral baseline again."
            )

    @property
    def neutral_baseline(self) -> NeutralBaselineState:
        """Progress and result of the neutral baseline."""
        return self._baseline.state

    def record_neutral_baseline(self) -> None:
        """Record the next two seconds in which exactly one face is visible as that person's resting face.

        Raises:
            ModelError: the model has no class ``neutral``.
        """
        with self._lock:
            self._baseline.begin(self._classifier.classes, self._classifier.temperature)

    def cancel_neutral_baseline(self) -> None:
        """Cancel a running recording; the current baseline stays."""
        with self._lock:
            self._baseline.cancel("Neutral baseline canceled.")

    def clear_neutral_baseline(self) -> None:
        """Remove the neutral baseline."""
        with self._lock:
            self._baseline.clear()

    def warm_up(self) -> None:
        """Load and run detector and network once, so that the first frame is fast; changes no state."""
        self._detector.detect(np.zeros((480, 640, 3), np.uint8), fast=True)
        self._classifier.logits(np.zeros((1, 48, 48), np.uint8))

    def process(self, frame: npt.NDArray[np.uint8], time: float | None = None) -> FrameResult:
        """Find and classify the faces of one frame.

        Args:
            frame: uint8 RGB (H, W, 3) or gray (H, W); never changed.
            time: seconds, ascending; the monotonic clock if None. Smoothing and track gaps depend on it.

        Raises:
            ImageError: the array is not an image.
        """
        time = clock.monotonic() if time is None else time
        with self._lock:
            return self._process(frame, time)

    def _process(self, frame: npt.NDArray[np.uint8], time: float) -> FrameResult:
        config, classifier = self._config, self._classifier
        height, width = frame.shape[:2]
        if self._size != (height, width):  # another camera or orientation: the old positions are invalid
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
        self._baseline.add_frame([face for _, face in self._last], classifier.adjust(logits), time)
        results = [
            self._classify(number, face, row, crop, time, config, classifier)
            for (number, face), row, crop in zip(self._last, logits, crops, strict=True)
        ]
        done = clock.perf_counter()
        stages = {"detect": 1000 * (found - started), "classify": 1000 * (done - found)}
        return FrameResult(
            time, width, height, classifier.classes, tuple(results), detected, stages, classifier.sensitivity
        )

    def _classify(
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
        # The smoother stores raw logits, so a change of sensitivity takes full effect with the next frame.
        baseline = self._baseline.offset
        offset = classifier.shift if baseline is None else classifier.shift + baseline
        label, probabilities = smoother.predict(classifier.temperature, config.hysteresis, offset)
        threshold = classifier.abstain_below if config.abstain_below is None else config.abstain_below
        return LiveFace(
            number=number,
            box=face.box,
            label=classifier.classes[label],
            probability=float(probabilities[label]),
            abstained=bool(probabilities[label] < threshold) or face.is_doubtful,
            probabilities=probabilities,
            raw_probabilities=softmax(classifier.adjust(logits), classifier.temperature),
            crop=crop,
            score=face.score,
        )
