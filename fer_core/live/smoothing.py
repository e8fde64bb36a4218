"""Steady answers from a shaky signal: a running mean of logits in seconds, and a label that does not flicker."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.inference import softmax

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Smoother:
    """State of one face. The time constant is in seconds, so the result does not depend on the frame rate."""

    logits: npt.NDArray[np.float64] | None = None
    time: float = 0.0
    label: int | None = None

    def update(self, logits: Floats, time: float, constant: float) -> npt.NDArray[np.float64]:
        """Running mean after ``logits`` (C,) at ``time`` seconds: weight 1 - exp(-Δt / constant) for the new value."""
        new = logits.astype(np.float64)
        if self.logits is None or constant <= 0 or time <= self.time:
            weight = 1.0 if self.logits is None or constant <= 0 else 0.0
        else:
            weight = -math.expm1(-(time - self.time) / constant)
        self.logits = new if self.logits is None else self.logits + weight * (new - self.logits)
        self.time = max(self.time, time)
        return self.logits

    def answer(
        self, temperature: float, hysteresis: float, lowered: npt.NDArray[np.float64] | None = None
    ) -> tuple[int, Floats]:
        """Label and probabilities (C,); the label changes only when another one leads by more than ``hysteresis``.

        ``lowered`` (C,) is taken off the logits first (see :mod:`fer_core.live.calibration`).
        """
        if self.logits is None:
            raise ValueError("answer() needs an update() first")
        probabilities = softmax(self.logits if lowered is None else self.logits - lowered, temperature)
        best = int(probabilities.argmax())
        if self.label is None or probabilities[best] - probabilities[self.label] > hysteresis:
            self.label = best
        return self.label, probabilities
