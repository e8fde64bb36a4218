"""Calibrate to me: what the network reads into one person's resting face, taken off the logits of a live view.

Some faces look sad or angry to a network while they rest. Over two seconds of a neutral face the raw logits b (C,) are
averaged; then the logit of each other class c is lowered by

    d_c = min(3, max(0, b_c − b_neutral + T·ln 9)),

T being the model's temperature: on the resting face every other expression then has at most a ninth of neutral's
probability. A class that does not compete with neutral at rest is left alone; subtracting the whole of b would lift
classes that are rare for every face, such as disgust. The bound keeps an expression that was read into the resting
face within reach when it is really made. Taking a person's own resting face for the zero is due to Baltrušaitis,
Mahmoud & Robinson (2015), who subtract the median of a person's features; here it is done on the answers, so that two
seconds are enough and nothing is trained.

It is a correction of one view, not of the network: what a face gives by itself (``raw_probabilities``) stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import ModelError
from fer_core.faces import Face
from fer_core.faces.boxes import intersection_over_union
from fer_core.live.tracking import MIN_OVERLAP

SECONDS: Final = 2.0
"""How long the face must rest."""
NEUTRAL: Final = "neutral"
ODDS: Final = 9.0
"""How much more probable than any other expression neutral is to be on the resting face."""
MOST: Final = 3.0
"""Logits a class is lowered by at most."""
FEWEST: Final = 5
"""Frames that are averaged at least; a slow machine takes longer than two seconds."""
LONGEST_GAP: Final = 2.5
"""Seconds between two frames after which the two seconds begin anew."""
_WORTH_SAYING: Final = 0.05  # logits

Logits = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What one resting face changes.

    Attributes:
        classes: of the model, in the order of the logits.
        rest: float64 (C,), the mean of the raw logits of the resting face.
        lowered: float64 (C,), what is taken off each logit, from 0 to :data:`MOST`; 0 for neutral.
    """

    classes: ClassList
    rest: npt.NDArray[np.float64]
    lowered: npt.NDArray[np.float64]

    def words(self) -> str:
        """What changed, in a sentence or two."""
        order = [int(i) for i in np.argsort(-self.lowered) if self.lowered[i] >= _WORTH_SAYING]
        if not order:
            return "Your resting face already reads as neutral: nothing is changed."
        neutral = self.classes.find(NEUTRAL)
        read = int(self.rest.argmax())
        found = (
            f"read {self.classes[read]} into your face"
            if read != neutral
            else "read your face as neutral, but not clearly"
        )
        needs = [f"{self.lowered[i]:.1f} more to say {self.classes[i]}" for i in order]
        needed = " and ".join(filter(None, [", ".join(needs[:-1]), needs[-1]]))
        text = f"At rest the network {found}; it now needs {needed}."
        left = int((self.rest - self.lowered).argmax())
        if left != neutral:
            text += f" It still says {self.classes[left]} at rest, since no more than {MOST:g} is taken off. Try light from the front."
        return text


def calibration(rest: Logits, classes: ClassList, temperature: float) -> Calibration:
    """The correction for a resting face.

    Args:
        rest: (C,), the mean of the raw logits.
        classes: C of them, ``neutral`` among them.
        temperature: of the model, more than 0.
    """
    mean = np.asarray(rest, dtype=np.float64)
    neutral = classes.position(NEUTRAL)
    lowered = np.clip(mean - mean[neutral] + temperature * math.log(ODDS), 0, MOST)
    lowered[neutral] = 0
    return Calibration(classes, mean, lowered)


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationState:
    """Where a calibration stands.

    Attributes:
        running: the two seconds are being taken, or waited for.
        share: of the two seconds, 0…1.
        note: in words, what it waits for, why it began anew, or why it was given up; empty if there is nothing to say.
        result: the correction in force; while a new one is taken, the one before.
    """

    running: bool = False
    share: float = 0.0
    note: str = ""
    result: Calibration | None = None


class Calibrator:
    """Takes the two seconds from frames as they come. Not thread-safe: its owner calls it under one lock, but ``state``
    may be read from any thread."""

    def __init__(self) -> None:
        self.state = CalibrationState()
        self._classes: ClassList | None = None
        self._temperature = 1.0
        # The face the two seconds are of, once they have begun. It is known by its place and not by its number: a
        # machine that takes longer for a frame than a number outlives a gap would never come to an end.
        self._face: Face | None = None
        self._interrupted = False
        self._began = self._last = 0.0
        self._sum: npt.NDArray[np.float64] = np.zeros(0)
        self._frames = 0

    @property
    def lowered(self) -> npt.NDArray[np.float64] | None:
        """What is to be taken off the logits (C,), or None."""
        return self.state.result.lowered if self.state.result else None

    def begin(self, classes: ClassList, temperature: float) -> None:
        """Take two seconds from the next frame on; the correction in force holds until they are over.

        Raises:
            ModelError: the model knows no neutral face.
        """
        if classes.find(NEUTRAL) is None:
            raise ModelError(
                f"This model cannot be calibrated to a resting face: it has no class '{NEUTRAL}', only "
                f"{', '.join(classes)}. Choose another model in the sidebar."
            )
        self._classes, self._temperature = classes, temperature
        self._face, self._interrupted = None, False
        self.state = CalibrationState(running=True, result=self.state.result)

    def see(self, faces: Sequence[Face], logits: Logits, time: float) -> None:
        """One frame.

        Args:
            faces: where they are in it.
            logits: (N, C), theirs, raw.
            time: seconds, ascending.
        """
        if not self.state.running:
            return
        if len(faces) != 1:
            self._wait("No face is in the picture" if not faces else "More than one face is in the picture")
        elif self._face is None:
            self._take(faces[0], logits[0], time)
        elif intersection_over_union(faces[0].box, self._face.box) < MIN_OVERLAP:
            self._wait("Another face took the place of the first")
            self._take(faces[0], logits[0], time)
        elif time - self._last > LONGEST_GAP:
            self._wait("The picture stood still")
            self._take(faces[0], logits[0], time)
        else:
            self._face = faces[0]
            self._sum += logits[0]
            self._frames += 1
            share = min(1.0, (time - self._began) / SECONDS, self._frames / FEWEST)
            self.state = replace(self.state, share=share)
            if share >= 1:
                assert self._classes is not None, "begin() comes first"
                rest = self._sum / self._frames
                self.state = CalibrationState(result=calibration(rest, self._classes, self._temperature))
        self._last = time

    def _take(self, face: Face, logits: Logits, time: float) -> None:
        """The first frame of the two seconds."""
        self._face, self._began = face, time
        self._sum, self._frames = np.array(logits, dtype=np.float64), 1
        if not self._interrupted:
            self.state = replace(self.state, note="")  # it only waited

    def _wait(self, why: str) -> None:
        """Wait for one face, alone."""
        self._interrupted = self._interrupted or self._face is not None
        self._face = None
        note = f"{why}: the two seconds begin anew." if self._interrupted else f"{why}."
        self.state = replace(self.state, share=0.0, note=note)

    def give_up(self, why: str) -> None:
        """Stop taking the two seconds, if they are being taken; the correction in force stays."""
        if self.state.running:
            self.state = CalibrationState(note=why, result=self.state.result)

    def clear(self, why: str = "") -> None:
        """No correction any more, and none being taken."""
        if self.state.running or self.state.result is not None:
            self.state = CalibrationState(note=why)
