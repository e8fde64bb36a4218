"""A formula of the network's mathematics, and the check of it: closed form against central differences and autograd."""

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
"""Half-width of the central differences; the error of (f(x+h) - f(x-h)) / 2h is of order h², rounding of order ε/h."""
TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Formula:
    """One formula with everything needed to check it.

    Attributes:
        name: for programs.
        title: for people.
        statement: the closed form in LaTeX.
        symbols: what each symbol means, in words.
        steps: the derivation in LaTeX, one step after the other.
        variable: which input the derivative is by.
        inputs: draws inputs from a random generator.
        closed: the closed form: inputs -> derivative, the shape of ``inputs[variable]``.
        function: the scalar function of the inputs that is differentiated; None where the formula is no derivative.
        autograd: the same value through PyTorch's real layer or optimiser.
        report: the lab report's closed form, where it states one.
        report_statement: that in LaTeX.
        report_remark: what is right or wrong about it; the check, not this sentence, decides.
        derive: works out the inputs that follow from the others (the mean of a batch); None where none does.
        one_hot: name of the input that must be a single 1 among zeros, if there is one.
        limits: smallest and largest value of inputs that cannot be just any number; both are allowed.
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
    """How far the closed form lies from the truth.

    Attributes:
        name: of the formula.
        passed: both errors are at most ``tolerance``.
        error: the larger of the two.
        tolerance: relative to the largest value, or absolute where that is below 1.
        numeric_error: against central differences; None where the formula is no derivative.
        autograd_error: against autograd through the real layer.
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
    """(f(x + h) − f(x − h)) / 2h for every entry of ``inputs[variable]``."""
    x = inputs[variable]
    result = np.empty_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        result[place] = (function({**inputs, variable: up}) - function({**inputs, variable: down})) / (2 * step)
    return result


def difference(a: Array, b: Array) -> float:
    """Largest difference, relative to the largest value where that is above 1; infinite for NaN or other shapes."""
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
    """Compare a closed form (the formula's own if none is given) with central differences and with autograd."""
    inputs = inputs if inputs is not None else formula.inputs(np.random.default_rng(seed))
    value = (closed or formula.closed)(inputs)
    numeric = None
    if formula.function is not None:
        numeric = difference(value, central_differences(formula.function, inputs, formula.variable, step))
    auto = difference(value, formula.autograd(inputs))
    error = max(auto, numeric or 0.0)
    return CheckResult(formula.name, error <= TOLERANCE, error, TOLERANCE, numeric, auto)


def check_report(formula: Formula, seed: int = 0) -> CheckResult | None:
    """Check the lab report's version; None where it states none."""
    return check(formula, closed=formula.report, seed=seed) if formula.report else None


def error_by_step(formula: Formula, inputs: Inputs | None = None, seed: int = 0) -> tuple[Array, Array]:
    """Step sizes and the error of the central differences at each: the plot that shows truncation against rounding.

    Steps so large that the function is not defined there (a variance below zero) are left out.

    Raises:
        FerError: the formula is no derivative.
    """
    if formula.function is None:
        raise FerError(f"'{formula.title}' is no derivative, so it has no step size.")
    inputs = inputs if inputs is not None else formula.inputs(np.random.default_rng(seed))
    steps = np.logspace(-1, -12, 34)
    exact = formula.closed(inputs)
    # A step larger than a variance leaves where the function is defined.
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
    """The inputs as float64 tensors that autograd differentiates by."""
    import torch

    return {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in i.items()}


def without(draw: Callable[[np.random.Generator], Inputs], *names: str) -> Callable[[np.random.Generator], Inputs]:
    """The same inputs less those that a formula does not use."""
    return lambda rng: {name: value for name, value in draw(rng).items() if name not in names}
