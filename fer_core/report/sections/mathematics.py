"""Part 6: every formula with its check, and the lab report's own versions beside."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fer_core.errors import FerError
from fer_core.lessons.formulas import FORMULAS, TOLERANCE, CheckResult, check, check_report
from fer_core.lessons.mathml import to_mathml
from fer_core.report.rendering import render


def mathematics() -> str:
    """Every formula with its check, and the lab report's own versions beside."""
    ours, reported = [], []
    for formula in FORMULAS.values():
        ours.append(_checked(formula.title, formula.statement, check(formula)))
        found = check_report(formula)
        if found is not None:
            remark = "" if found.passed else formula.report_remark
            reported.append({**_checked(formula.title, formula.report_statement, found), "remark": remark})
    return render("sections/mathematics.html", ours=ours, reported=reported, tolerance=TOLERANCE)


def _checked(title: str, latex: str, result: CheckResult) -> dict[str, Any]:
    """A row of the table, as the template takes it."""
    return {
        "title": title,
        "formula": _drawn(latex),
        "error": result.error,
        "passed": result.passed,
        "remark": "",
    }


def _drawn(latex: str) -> Markup:
    try:
        return Markup(to_mathml(latex))
    except FerError:  # a formula that uses something new is shown as it was written
        return Markup("<pre>{}</pre>").format(latex)
