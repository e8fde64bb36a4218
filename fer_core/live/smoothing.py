"""Temporal smoothing of predictions: an exponential moving average of logits, and hysteresis of the label."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.inference import softmax

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Smoother:
    """Smoothed logits and label of one face. The time constant is in seconds, so the frame rate does not matter."""

    logits: npt.NDArray[np.float64] | None = None
    time: float = 0.0
    label: int | None = None

    def update(self, logits: Floats, time: float, constant: float) -> npt.NDArray[np.float64]:
        """Moving average (C,) after ``logits`` (C,) at ``time`` seconds; the new value weighs 1 − exp(−Δt / constant)."""
        new = logits.astype(np.float64)
        if self.logits is None or constant <= 0 or time <= self.time:
            weight = 1.0 if self.logits is None or constant <= 0 else 0.0
        else:
            weight = -math.expm1(-(time - self.time) / constant)
        self.logits = new if self.logits is None else self.logits + weight * (new - self.logits)
        self.time = max(self.time, time)
        return self.logits

    def predict(
        self, temperature: float, hysteresis: float, offset: npt.NDArray[np.float64] | None = None
    ) -> tuple[int, Floats]:
        """Label and probabilities (C,); the label changes only if another class leads by more than ``hysteresis``.

        Args:
            temperature: temperature of the model, above 0.
            hysteresis: lead in probability, 0…1.
            offset: (C,), subtracted from the logits first (sensitivity, neutral baseline).

        Raises:
            ValueError: there were no logits yet.
        """
        if self.logits is None:
            raise ValueError("predict() needs an update() first")
        probabilities = softmax(self.logits if offset is None else self.logits - offset, temperature)
        best = int(probabilities.argmax())
        if self.label is None or probabilities[best] - probabilities[self.label] > hysteresis:
            self.label = best
        return self.label, probabilities
