"""Neutral baseline: corrects the logits of a live view for one person's resting face.

Some resting faces look sad or angry to a network. The raw logits b (C,) of a neutral face are averaged over two
seconds. The logit of every other class c is then lowered by

    d_c = min(3, max(0, b_c − b_neutral + T·ln 9)),

where T is the model's temperature: on the resting face, every other expression gets at most a ninth of neutral's
probability. A class that does not compete with neutral at rest does not change; subtracting the whole of b would raise
classes that are rare for every face, such as disgust. The bound keeps an expression within reach if the network sees it
in the resting face and the person then really makes it. Baltrušaitis, Mahmoud & Robinson (2015) also use a person's
resting face as the zero point: they subtract the median of the person's features. Here the correction applies to the
logits, so two seconds are enough and no training is needed.

The baseline corrects one live view and not the network: ``raw_probabilities`` of a face never change.
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
from fer_core.formatting import joined
from fer_core.live.tracking import MIN_OVERLAP

SECONDS: Final = 2.0
"""Length of the recorded resting face in seconds."""
NEUTRAL: Final = "neutral"
"""Name of the class the baseline needs."""
ODDS: Final = 9.0
"""Odds of neutral against any other expression on the resting face."""
MAX_OFFSET: Final = 3.0
"""Largest amount by which a logit is lowered."""
MIN_FRAMES: Final = 5
"""Fewest frames to average; a slow machine needs more than two seconds for them."""
MAX_FRAME_GAP: Final = 2.5
"""Longest pause between two frames in seconds; after a longer one the recording restarts."""
_MIN_REPORTED: Final = 0.05  # logits; smaller offsets are not worth mentioning

Logits = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class NeutralBaseline:
    """The correction for one resting face.

    Attributes:
        classes: C classes of the model, in the order of the logits.
        rest: float64 (C,), mean raw logits of the resting face.
        offset: float64 (C,), amount subtracted from each logit, from 0 to :data:`MAX_OFFSET`; 0 for neutral.
    """

    classes: ClassList
    rest: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]

    def summary(self) -> str:
        """One or two sentences about what changed."""
        order = [int(i) for i in np.argsort(-self.offset) if self.offset[i] >= _MIN_REPORTED]
        if not order:
            return "Your resting face is already classified as neutral, so nothing changes."
        neutral = self.classes.find(NEUTRAL)
        top = int(self.rest.argmax())
        scored = f"as {self.classes[top]}" if top != neutral else "as neutral, but not clearly"
        needs = [
            f"{self.classes[i]} {'' if n else 'now needs a logit '}{self.offset[i]:.1f} higher"
            for n, i in enumerate(order)
        ]
        text = f"Your resting face scored {scored}; {joined(needs)}."
        remaining = int((self.rest - self.offset).argmax())
        if remaining != neutral:
            text += (
                f" It is still classified as {self.classes[remaining]} at rest, because a logit is lowered by at most "
                f"{MAX_OFFSET:g}. Try light from the front."
            )
        return text


def fit_neutral_baseline(rest: Logits, classes: ClassList, temperature: float) -> NeutralBaseline:
    """Compute the correction for a resting face.

    Args:
        rest: (C,), mean raw logits.
        classes: C classes with ``neutral`` among them.
        temperature: the model's temperature, above 0.
    """
    mean = np.asarray(rest, dtype=np.float64)
    neutral = classes.position(NEUTRAL)
    offset = np.clip(mean - mean[neutral] + temperature * math.log(ODDS), 0, MAX_OFFSET)
    offset[neutral] = 0
    return NeutralBaseline(classes, mean, offset)


@dataclass(frozen=True, slots=True, eq=False)
class NeutralBaselineState:
    """Progress and result of the neutral baseline.

    Attributes:
        running: a recording is in progress or waits for a face.
        share: recorded share of the two seconds, 0…1.
        note: why the recording waits, restarted or ended; empty if there is nothing to report.
        result: the current correction; during a new recording, the previous one. None without a baseline.
    """

    running: bool = False
    share: float = 0.0
    note: str = ""
    result: NeutralBaseline | None = None


class NeutralBaselineRecorder:
    """Records the resting face frame by frame.

    Not thread-safe: the owner calls it under one lock. Only ``state`` may be read from any thread.
    """

    def __init__(self) -> None:
        self.state = NeutralBaselineState()
        self._classes: ClassList | None = None
        self._temperature = 1.0
        # The recorded face, once recording has begun. It is matched by position and not by track number: on a machine
        # so slow that a track ends between two frames, the number changes every time and recording would never finish.
        self._face: Face | None = None
        self._interrupted = False
        self._began = self._last = 0.0
        self._sum: npt.NDArray[np.float64] = np.zeros(0)
        self._frames = 0

    @property
    def offset(self) -> npt.NDArray[np.float64] | None:
        """Amount to subtract from the logits (C,), or None without a baseline."""
        return self.state.result.offset if self.state.result else None

    def begin(self, classes: ClassList, temperature: float) -> None:
        """Start recording with the next frame; the current correction applies until the recording ends.

        Raises:
            ModelError: the model has no class ``neutral``.
        """
        if classes.find(NEUTRAL) is None:
            raise ModelError(
                f"A neutral baseline needs the class '{NEUTRAL}', but this model has only {', '.join(classes)}. "
                "Choose another model in the sidebar."
            )
        self._classes, self._temperature = classes, temperature
        self._face, self._interrupted = None, False
        self.state = NeutralBaselineState(running=True, result=self.state.result)

    def add_frame(self, faces: Sequence[Face], logits: Logits, time: float) -> None:
        """Record one frame.

        Args:
            faces: N faces of the frame.
            logits: (N, C), raw logits of these faces.
            time: time of the frame in seconds, ascending.
        """
        if not self.state.running:
            return
        if len(faces) != 1:
            self._wait("No face is visible" if not faces else "More than one face is visible")
        elif self._face is None:
            self._start(faces[0], logits[0], time)
        elif intersection_over_union(faces[0].box, self._face.box) < MIN_OVERLAP:
            self._wait("Another face appeared")
            self._start(faces[0], logits[0], time)
        elif time - self._last > MAX_FRAME_GAP:
            self._wait("The video froze")
            self._start(faces[0], logits[0], time)
        else:
            self._face = faces[0]
            self._sum += logits[0]
            self._frames += 1
            share = min(1.0, (time - self._began) / SECONDS, self._frames / MIN_FRAMES)
            self.state = replace(self.state, share=share)
            if share >= 1:
                assert self._classes is not None, "begin() comes first"
                rest = self._sum / self._frames
                self.state = NeutralBaselineState(result=fit_neutral_baseline(rest, self._classes, self._temperature))
        self._last = time

    def _start(self, face: Face, logits: Logits, time: float) -> None:
        """Record the first frame of the two seconds."""
        self._face, self._began = face, time
        self._sum, self._frames = np.array(logits, dtype=np.float64), 1
        if not self._interrupted:
            self.state = replace(self.state, note="")  # the recording only waited for a face

    def _wait(self, why: str) -> None:
        """Discard what was recorded and wait until exactly one face is visible."""
        self._interrupted = self._interrupted or self._face is not None
        self._face = None
        note = f"{why}; restarting the two seconds." if self._interrupted else f"{why}."
        self.state = replace(self.state, share=0.0, note=note)

    def cancel(self, why: str) -> None:
        """Cancel a running recording; the current correction stays."""
        if self.state.running:
            self.state = NeutralBaselineState(note=why, result=self.state.result)

    def clear(self, why: str = "") -> None:
        """Remove the correction and cancel a running recording."""
        if self.state.running or self.state.result is not None:
            self.state = NeutralBaselineState(note=why)
