"""Sensitivity: between "as people judge everyday photographs" (0) and "as if every expression were as likely" (1).

Logit adjustment after Menon et al. (2021, "Long-tail learning via logit adjustment"): a network that was trained where
some classes are rare has learned that they are rare; taking log(prior) off its logits takes that knowledge back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from fer_core.inference.checkpoint import CheckpointInfo

PRIOR_FLOOR: Final = 0.005
"""Added to each share, so that a class hardly seen in training, or never, is not lifted without bound."""


def check_sensitivity(info: CheckpointInfo, sensitivity: float | None) -> float:
    """The sensitivity to use: the one asked for, or the model's own.

    Raises:
        ConfigError: it lies outside 0…1, or the model does not know how frequent its classes were in training.
    """
    if sensitivity is None:
        return info.sensitivity
    if not 0 <= sensitivity <= 1:  # NaN too
        raise ConfigError(f"The sensitivity lies between 0 and 1; {sensitivity} does not.")
    if sensitivity and not info.prior:
        raise ConfigError(
            "This model does not know how frequent each class was in its training, so its sensitivity cannot be changed. "
            "Use a model trained with this version, or leave the sensitivity out."
        )
    return sensitivity


def logit_shift(prior: tuple[float, ...], classes: int, sensitivity: float) -> npt.NDArray[np.float64]:
    """What is taken off each logit, float64 (C,): τ · log(prior + 0.005).

    Args:
        prior: share of each of the C classes among the training faces; may be empty where ``sensitivity`` is 0.
        classes: C.
        sensitivity: τ in 0…1.
    """
    if not sensitivity:
        return np.zeros(classes)
    return np.asarray(sensitivity * np.log(np.asarray(prior, dtype=np.float64) + PRIOR_FLOOR))


@dataclass(frozen=True, eq=False)
class Adjustment:
    """What a sensitivity does to the outputs of a model.

    Attributes:
        sensitivity: in 0…1.
        shift: float64 (C,), what is taken off each raw logit.
        temperature: divides the shifted logits before softmax.
        abstain_below: below this top probability the model abstains.
    """

    sensitivity: float
    shift: npt.NDArray[np.float64]
    temperature: float
    abstain_below: float

    @classmethod
    def of(cls, info: CheckpointInfo, sensitivity: float | None) -> Adjustment:
        """That of the model with this record, at a sensitivity (its own when None).

        Raises:
            ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
        """
        tau = check_sensitivity(info, sensitivity)
        return cls(tau, logit_shift(info.prior, len(info.labels), tau), *calibration_at(info, tau))

    def apply(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Raw logits (…, C) as the sensitivity shifts them, float32."""
        return np.asarray(logits - self.shift if self.sensitivity else logits, dtype=np.float32)


def store_calibration(
    path: Path, sensitivity: float, *, temperature: float | None = None, abstain_below: float | None = None
) -> CheckpointInfo:
    """Write a temperature or a threshold that was fitted at ``sensitivity`` into a checkpoint; the weights stay.

    A model with a table over sensitivities gets a point there; another one has a single value for all.

    Raises:
        CheckpointError: the file is damaged.
        ConfigError: a value is out of bounds.
        WorkspaceError: the file cannot be written.
    """
    from fer_core.inference.checkpoint import read_info, update_info

    info = read_info(path)
    before = calibration_at(info, sensitivity)
    new = (
        before[0] if temperature is None else temperature,
        before[1] if abstain_below is None else abstain_below,
    )
    if not info.calibration:
        return update_info(path, temperature=new[0], abstain_below=new[1])
    table = {point.sensitivity: (point.temperature, point.abstain_below) for point in info.calibration}
    table[sensitivity] = new
    return update_info(
        path,
        calibration=[
            {"sensitivity": tau, "temperature": t, "abstain_below": a} for tau, (t, a) in sorted(table.items())
        ],
    )


def calibration_at(info: CheckpointInfo, sensitivity: float) -> tuple[float, float]:
    """Temperature and threshold at a sensitivity: between the two nearest of the table, or the model's only ones."""
    if not info.calibration:
        return info.temperature, info.abstain_below
    at = [point.sensitivity for point in info.calibration]
    temperature = np.interp(sensitivity, at, [point.temperature for point in info.calibration])
    threshold = np.interp(sensitivity, at, [point.abstain_below for point in info.calibration])
    return float(temperature), float(threshold)
