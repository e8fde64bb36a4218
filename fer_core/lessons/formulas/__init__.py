"""Formulas behind the network, each checked live against central differences and autograd.

A :class:`Formula` contains a derivative in closed form (NumPy, float64), the function it differentiates, and the same
derivative computed by PyTorch's autograd through the layer that the networks use. :func:`check` compares the three.
If the lab report states the formula, ``report`` contains its version, subject to the same check.
"""

from __future__ import annotations

from typing import Final

from fer_core.lessons.formulas import batch_norm, layers, optimizer, sizes, softmax, trust
from fer_core.lessons.formulas.formula import (
    TOLERANCE,
    Array,
    CheckResult,
    Formula,
    Inputs,
    central_differences,
    check,
    check_report,
    difference,
    error_by_step,
)
from fer_core.lessons.formulas.prose import as_prose

__all__ = [
    "FORMULAS",
    "TOLERANCE",
    "TOPICS",
    "Array",
    "CheckResult",
    "Formula",
    "Inputs",
    "as_prose",
    "central_differences",
    "check",
    "check_all",
    "check_report",
    "difference",
    "error_by_step",
]

_BY_TOPIC: Final[dict[str, tuple[Formula, ...]]] = {
    "Sizes": sizes.FORMULAS,
    "Batch norm": batch_norm.FORMULAS,
    "Softmax and loss": softmax.FORMULAS,
    "Layers": layers.FORMULAS,
    "Optimizer": optimizer.FORMULAS,
    "Explanation and calibration": trust.FORMULAS,
}

FORMULAS: Final[dict[str, Formula]] = {formula.name: formula for part in _BY_TOPIC.values() for formula in part}

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    topic: tuple(formula.name for formula in part) for topic, part in _BY_TOPIC.items()
}
"""Names of the formulas by heading, in teaching order."""


def check_all(seed: int = 0) -> list[CheckResult]:
    """Check every formula."""
    return [check(formula, seed=seed) for formula in FORMULAS.values()]
