"""Part 6: check of every formula, and of the lab report's versions."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from fer_core.errors import FerError
from fer_core.lessons.formulas import FORMULAS, TOLERANCE, CheckResult, check, check_report
from fer_core.lessons.mathml import to_mathml
from fer_core.report.rendering import render


def mathematics() -> str:
    """Render the check of every formula, and of the lab report's versions."""
    ours, reported = [], []
    for formula in FORMULAS.values():
        ours.append(_checked(formula.title, formula.statement, check(formula)))
        found = check_report(formula)
        if found is not None:
            remark = "" if found.passed else formula.report_remark
            reported.append({**_checked(formula.title, formula.report_statement, found), "remark": remark})
    return render("sections/mathematics.html", ours=ours, reported=reported, tolerance=TOLERANCE)


def _checked(title: str, latex: str, result: CheckResult) -> dict[str, Any]:
    """Return a table row for the template."""
    return {
        "title": title,
        "formula": _rendered(latex),
        "error": result.error,
        "passed": result.passed,
        "remark": "",
    }


def _rendered(latex: str) -> Markup:
    try:
        return Markup(to_mathml(latex))
    except FerError:  # fall back to the LaTeX source
        return Markup("<pre>{}</pre>").format(latex)
