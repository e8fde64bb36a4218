"""Sensitivity: from judging as people judge everyday photos (0) to treating all expressions as equally likely (1).

This is logit adjustment (Menon et al. 2021, "Long-tail learning via logit adjustment"): a network trained on rare classes has
learned that they are rare; subtracting log(prior) from its logits undoes that.
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
"""Added to each share, which limits the adjustment for classes that are almost or entirely missing in training."""


def check_sensitivity(info: CheckpointInfo, sensitivity: float | None) -> float:
    """Return the requested sensitivity, or the model's default if it is None.

    Raises:
        ConfigError: it is outside 0…1, or the model has no prior.
    """
    if sensitivity is None:
        return info.sensitivity
    if not 0 <= sensitivity <= 1:  # also rejects NaN
        raise ConfigError(f"The sensitivity must be between 0 and 1; got {sensitivity}.")
    if sensitivity and not info.prior:
        raise ConfigError(
            "This model does not record how frequent each class was in training, so its sensitivity cannot be changed. "
            "Use a model trained with this version, or do not set a sensitivity."
        )
    return sensitivity


def logit_shift(prior: tuple[float, ...], classes: int, sensitivity: float) -> npt.NDArray[np.float64]:
    """Return the adjustment subtracted from each logit, float64 (C,): τ · log(prior + 0.005).

    Args:
        prior: share of each of the C classes among the training faces; may be empty if ``sensitivity`` is 0.
        classes: C.
        sensitivity: τ in 0…1.
    """
    if not sensitivity:
        return np.zeros(classes)
    return np.asarray(sensitivity * np.log(np.asarray(prior, dtype=np.float64) + PRIOR_FLOOR))


@dataclass(frozen=True, eq=False)
class Adjustment:
    """The effect of a sensitivity on a model's outputs.

    Attributes:
        sensitivity: in 0…1.
        shift: float64 (C,), subtracted from the raw logits.
        temperature: divides the adjusted logits before softmax.
        abstain_below: the model abstains if the top probability is lower.
    """

    sensitivity: float
    shift: npt.NDArray[np.float64]
    temperature: float
    abstain_below: float

    @classmethod
    def of(cls, info: CheckpointInfo, sensitivity: float | None) -> Adjustment:
        """Return the adjustment of a model at a sensitivity (None: its default).

        Raises:
            ConfigError: the sensitivity is outside 0…1, or the model has no prior.
        """
        tau = check_sensitivity(info, sensitivity)
        return cls(tau, logit_shift(info.prior, len(info.labels), tau), *calibration_at(info, tau))

    def apply(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return raw logits (…, C) adjusted for the sensitivity, float32."""
        return np.asarray(logits - self.shift if self.sensitivity else logits, dtype=np.float32)


def store_calibration(
    path: Path, sensitivity: float, *, temperature: float | None = None, abstain_below: float | None = None
) -> CheckpointInfo:
    """Write a temperature or threshold fitted at ``sensitivity`` into a checkpoint; the weights stay unchanged.

    A model with a calibration table gets an entry there; other models have a single value.

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
    """Return temperature and threshold at a sensitivity, interpolated in the table, or the model's single values."""
    if not info.calibration:
        return info.temperature, info.abstain_below
    at = [point.sensitivity for point in info.calibration]
    temperature = np.interp(sensitivity, at, [point.temperature for point in info.calibration])
    threshold = np.interp(sensitivity, at, [point.abstain_below for point in info.calibration])
    return float(temperature), float(threshold)
