"""``check-math`` and ``experiment``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fer_core.cli.options import JsonOption, SkipBroken, setting
from fer_core.cli.output import emit, note, progress, table

if TYPE_CHECKING:
    from fer_core.lessons.math_checks import CheckResult

commands = typer.Typer()


@commands.command("check-math")
def check_math(as_json: JsonOption = False) -> None:
    """Check every formula of the Derivations page against central differences and autograd."""
    from fer_core.lessons.math_checks import FORMULAS, check_all, check_report

    results = check_all()
    reported = [(formula.title, found) for formula in FORMULAS.values() if (found := check_report(formula))]
    text = [
        _checks_table([(FORMULAS[result.name].title, result) for result in results]),
        "",
        "The lab report's own formulas:",
        _checks_table(reported),
    ]
    emit([r.to_dict() for r in results], as_json, "\n".join(text))


def _checks_table(checks: Sequence[tuple[str, CheckResult]]) -> str:
    rows = [["right" if found.passed else "WRONG", title, f"{found.error:.1e}"] for title, found in checks]
    return table(["", "formula", "error"], rows, left=2)


@commands.command()
def experiment(
    name: Annotated[str | None, typer.Argument(help="Which one; without it all are listed.")] = None,
    data: Annotated[str, setting("data", "--data")] = "synthetic",
    epochs: Annotated[int | None, typer.Option(min=1, max=500, help="Instead of the experiment's own number.")] = None,
    skip_broken: SkipBroken = False,
    progress_lines: Annotated[bool, typer.Option("--progress-lines", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Break something on purpose: two small trainings that differ in one thing, and a paragraph on what came of it."""
    from fer_core.data import load
    from fer_core.lessons.experiments import experiments, find, results, run
    from fer_core.lessons.experiments.background import PROGRESS_MARK
    from fer_core.workspace import Workspace

    if name is None:
        known = experiments()
        emit(
            [{"name": e.name, "title": e.title, "question": e.question} for e in known.values()],
            as_json,
            table(["name", "what it is"], [[e.name, e.title] for e in known.values()], left=2),
        )
        return
    chosen = find(name)
    with progress("Reading faces") as on_progress:
        dataset = load(data, on_progress=on_progress, skip_broken=skip_broken)
    with progress("Training") as show:

        def told(done: int, total: int) -> None:
            show(done, total)
            if progress_lines:
                note(f"{PROGRESS_MARK}{json.dumps([done, total])}")

        result = run(chosen, dataset, epochs=epochs, on_progress=told)
    if epochs is None:
        results.put(result, chosen, dataset, Workspace.default())
    answer, explanation = chosen.choices[chosen.answer(result.arms)], chosen.explain(result.arms)
    text = f"{chosen.question}\n{answer}\n\n{explanation}\n\n{result.seconds:.0f} s on {result.data_name}"
    emit({**result.to_dict(), "answer": answer, "explanation": explanation}, as_json, text)
