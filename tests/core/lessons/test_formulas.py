from __future__ import annotations

import numpy as np
import pytest

from fer_core.errors import FerError
from fer_core.lessons.formulas import (
    FORMULAS,
    as_prose,
    central_differences,
    check,
    check_report,
    difference,
    error_by_step,
)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_formula_agrees_with_central_differences_and_autograd(name, seed):
    result = check(FORMULAS[name], seed=seed)
    assert result.passed, result


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(
    "alter",
    [lambda v: 1.01 * v, lambda v: -v, lambda v: v + 0.01, lambda v: v * np.nan],
    ids=["a factor", "the sign", "a stray term", "nan"],
)
def test_an_altered_formula_fails_its_check(name, alter):
    formula = FORMULAS[name]
    assert not check(formula, closed=lambda i: alter(formula.closed(i))).passed


def test_the_check_decides_on_the_formulas_of_the_report():
    verdicts = {name: result.passed for name, f in FORMULAS.items() if (result := check_report(f)) is not None}
    assert verdicts == {
        "bn_d_xhat": False,
        "bn_d_var": True,
        "bn_d_mu": True,
        "bn_d_x": False,
        "bn_d_gamma": True,
        "bn_d_beta": True,
        "softmax_cross_entropy": True,
        "softmax_single_term": False,
    }


def test_central_differences_are_exact_for_a_parabola():
    found = central_differences(lambda i: float(np.sum(i["x"] ** 2)), {"x": np.array([[1.0, -2.0], [0.5, 3.0]])}, "x")
    np.testing.assert_allclose(found, [[2, -4], [1, 6]], atol=1e-9)


def test_other_shapes_and_nan_never_agree():
    assert difference(np.zeros(3), np.zeros(2)) == float("inf")
    assert difference(np.array([np.nan]), np.array([np.nan])) == float("inf")
    assert difference(np.array([1e6 + 1]), np.array([1e6])) == pytest.approx(1e-6)


@pytest.mark.parametrize("name", [n for n, f in FORMULAS.items() if f.function])
def test_the_error_falls_with_the_step_and_rises_again_with_rounding(name):
    steps, errors = error_by_step(FORMULAS[name])
    best = int(errors.argmin())
    assert errors[best] < 1e-7
    assert errors[-1] > errors[best]
    assert steps[0] > steps[-1]


def test_a_formula_that_is_no_derivative_has_no_step_size():
    with pytest.raises(FerError, match="not a derivative"):
        error_by_step(FORMULAS["ece"])


def test_every_formula_explains_itself():
    assert len(FORMULAS) >= 10
    for formula in FORMULAS.values():
        assert formula.statement
        assert formula.steps
        assert formula.symbols
        assert bool(formula.report) == bool(formula.report_statement)


def test_the_command_prints_all_checks_as_json(capsys):
    import json

    from fer_core.cli import main

    assert main(["check-math", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert len(records) == len(FORMULAS)
    assert all(set(r) == {"name", "passed", "error", "tolerance"} and r["passed"] for r in records)


def test_steps_that_are_sentences_become_text_that_wraps():
    assert as_prose(r"\text{Only the term } j = i \text{ holds } \hat x_i, \text{ so no sum is left:}") == (
        r"Only the term $j = i$ holds $\hat x_i$, so no sum is left:"
    )
    assert as_prose(r"x_i \text{ reaches } L \text{ twice.}") == "$x_i$ reaches $L$ twice."
    assert as_prose(r"\frac{a}{b}") is None
    sentences = [text for formula in FORMULAS.values() for step in formula.steps if (text := as_prose(step))]
    assert all(text.count("$") % 2 == 0 and r"\text" not in text for text in sentences)


def test_steps_beyond_where_the_function_is_defined_are_left_out():
    formula = FORMULAS["bn_d_var"]
    inputs = formula.inputs(np.random.default_rng(0))
    assert formula.derive is not None
    inputs["x"] = inputs["x"] / 20  # a variance of about 0.01, smaller than the largest step
    inputs.update(formula.derive(inputs))
    steps, errors = error_by_step(formula, inputs)
    assert steps.max() < inputs["var"]
    assert np.isfinite(errors).all()
