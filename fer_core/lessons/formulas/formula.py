"""Formulas, and the check of their closed form against central differences and autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError

Array = npt.NDArray[np.float64]
Inputs = dict[str, Array]
STEP: Final = 1e-5
"""Step h of the central differences (f(x+h) − f(x−h)) / 2h; truncation error is O(h²), rounding error O(ε/h)."""
TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Formula:
    """One formula with everything needed to check it.

    Attributes:
        name: identifier.
        title: display name.
        statement: closed form in LaTeX.
        symbols: meaning of each symbol.
        steps: derivation in LaTeX, step by step.
        variable: name of the input to differentiate by.
        inputs: draws inputs from a random generator.
        closed: closed form: inputs -> derivative with the shape of ``inputs[variable]``.
        function: scalar function to differentiate; None if the formula is not a derivative.
        autograd: computes the same value with PyTorch's layer or optimizer.
        report: the lab report's closed form, if it states one.
        report_statement: the lab report's version in LaTeX.
        report_remark: comment on the lab report's version; the verdict comes from the check.
        derive: computes inputs that depend on others (such as a batch mean); None if there are none.
        one_hot: name of the one-hot input, or empty.
        limits: inclusive minimum and maximum of inputs with a restricted range.
    """

    name: str
    title: str
    statement: str
    symbols: dict[str, str]
    steps: tuple[str, ...]
    variable: str
    inputs: Callable[[np.random.Generator], Inputs]
    closed: Callable[[Inputs], Array]
    function: Callable[[Inputs], float] | None
    autograd: Callable[[Inputs], Array]
    report: Callable[[Inputs], Array] | None = None
    report_statement: str = ""
    report_remark: str = ""
    derive: Callable[[Inputs], Inputs] | None = None
    one_hot: str = ""
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of a formula check.

    Attributes:
        name: name of the formula.
        passed: True if both errors are at most ``tolerance``.
        error: the larger error.
        tolerance: relative to the largest value, or absolute if that is below 1.
        numeric_error: error against central differences; None if the formula is not a derivative.
        autograd_error: error against autograd through the real layer.
    """

    name: str
    passed: bool
    error: float
    tolerance: float
    numeric_error: float | None
    autograd_error: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "passed": self.passed, "error": self.error, "tolerance": self.tolerance}


def central_differences(
    function: Callable[[Inputs], float], inputs: Inputs, variable: str, step: float = STEP
) -> Array:
    """Compute (f(x + h) − f(x − h)) / 2h for every entry of ``inputs[variable]``."""
    x = inputs[variable]
    result = np.empty_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        result[place] = (function({**inputs, variable: up}) - function({**inputs, variable: down})) / (2 * step)
    return result


def difference(a: Array, b: Array) -> float:
    """Return the largest difference, relative to the largest value if that exceeds 1; infinite for NaN or shape mismatch."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    return float(np.abs(a - b).max(initial=0.0)) / scale


def check(
    formula: Formula,
    *,
    closed: Callable[[Inputs], Array] | None = None,
    inputs: Inputs | None = None,
    seed: int = 0,
    step: float = STEP,
) -> CheckResult:
    """Compare a closed form (default: the formula's own) with central differences and autograd."""
    inputs = inputs if inputs is not None else formula.inputs(np.random.default_rng(seed))
    value = (closed or formula.closed)(inputs)
    numeric = None
    if formula.function is not None:
        numeric = difference(value, central_differences(formula.function, inputs, formula.variable, step))
    auto = difference(value, formula.autograd(inputs))
    error = max(auto, numeric or 0.0)
    return CheckResult(formula.name, error <= TOLERANCE, error, TOLERANCE, numeric, auto)


def check_report(formula: Formula, seed: int = 0) -> CheckResult | None:
    """Check the lab report's version; return None if it states none."""
    return check(formula, closed=formula.report, seed=seed) if formula.report else None


def error_by_step(formula: Formula, inputs: Inputs | None = None, seed: int = 0) -> tuple[Array, Array]:
    """Return step sizes and the error of central differences at each, to plot truncation against rounding error.

    Excludes steps too large for the function's domain (a negative variance).

    Raises:
        FerError: the formula is not a derivative.
    """
    if formula.function is None:
        raise FerError(f"'{formula.title}' is not a derivative, so it has no step size.")
    inputs = inputs if inputs is not None else formula.inputs(np.random.default_rng(seed))
    steps = np.logspace(-1, -12, 34)
    exact = formula.closed(inputs)
    # a step larger than the variance leaves the function's domain
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.array(
            [
                difference(central_differences(formula.function, inputs, formula.variable, float(h)), exact)
                for h in steps
            ]
        )
    defined = np.isfinite(errors)
    return steps[defined], errors[defined]


def as_tensors(i: Inputs) -> dict[str, Any]:
    """Convert the inputs to float64 tensors that require gradients."""
    import torch

    return {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in i.items()}


def without(draw: Callable[[np.random.Generator], Inputs], *names: str) -> Callable[[np.random.Generator], Inputs]:
    """Return a generator of inputs without those that a formula does not use."""
    return lambda rng: {name: value for name, value in draw(rng).items() if name not in names}
