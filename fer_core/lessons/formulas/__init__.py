"""The mathematics behind the network, each formula checked live: closed form against central differences and autograd.

A :class:`Formula` holds a derivative in closed form (NumPy, float64), the function it is the derivative of, and the
same derivative as PyTorch's autograd gives it through the layer the networks really use. :func:`check` compares them.
Where the lab report states a formula, it stands beside ours as ``report``, and the same check decides.
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
    "Optimiser": optimizer.FORMULAS,
    "Explanation and trust": trust.FORMULAS,
}

FORMULAS: Final[dict[str, Formula]] = {formula.name: formula for part in _BY_TOPIC.values() for formula in part}

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    topic: tuple(formula.name for formula in part) for topic, part in _BY_TOPIC.items()
}
"""The formulas in the order of a lecture: heading -> names."""


def check_all(seed: int = 0) -> list[CheckResult]:
    """Check every formula."""
    return [check(formula, seed=seed) for formula in FORMULAS.values()]
