"""``check-math`` and ``experiment``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fer_core.cli.options import FaceOptions, JsonOption, reads_faces, setting, workspace
from fer_core.cli.output import emit, progress, table

if TYPE_CHECKING:
    from fer_core.lessons.experiments import Experiment, Result
    from fer_core.lessons.experiments.base import Progress
    from fer_core.lessons.formulas import CheckResult

commands = typer.Typer()


@commands.command("check-math")
def check_math(as_json: JsonOption = False) -> None:
    """Check every formula of the Derivations page against central differences and autograd."""
    from fer_core.lessons.formulas import FORMULAS, check_all, check_report

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
    rows = [["correct" if found.passed else "WRONG", title, f"{found.error:.1e}"] for title, found in checks]
    return table(["", "formula", "error"], rows, left=2)


@commands.command()
@reads_faces
def experiment(
    name: Annotated[str | None, typer.Argument(help="Name of the experiment; without it, all are listed.")] = None,
    data: Annotated[str, setting("data", "--data")] = "synthetic",
    epochs: Annotated[
        int | None, typer.Option(min=1, max=500, help="Number of epochs; the experiment's own if not given.")
    ] = None,
    job: Annotated[Path | None, typer.Option(hidden=True, help="Run as the job of this directory.")] = None,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Run a teaching experiment: two small training runs that differ in one setting, and an explanation of the result."""
    from fer_core.errors import FerError
    from fer_core.lessons.experiments import experiments, find
    from fer_core.lessons.experiments.job import ExperimentJob

    if name is None:
        known = experiments()
        emit(
            [{"name": e.name, "title": e.title, "question": e.question} for e in known.values()],
            as_json,
            table(["name", "experiment"], [[e.name, e.title] for e in known.values()], left=2),
        )
        return
    if job is None:
        chosen = find(name)
        result, warnings = _run(chosen, data, epochs, faces, lambda done, total: None)
    else:
        work = ExperimentJob(job)
        with work.hold("The experiment"):
            try:
                chosen = find(name)
                result, warnings = _run(chosen, data, epochs, faces, work.report)
                work.finish(result)
            except FerError as error:
                work.fail(str(error))
                raise
    answer, explanation = chosen.choices[chosen.answer(result.arms)], chosen.explain(result.arms)
    text = f"{chosen.question}\n{answer}\n\n{explanation}\n\n{result.seconds:.0f} s on {result.data_name}"
    emit({**result.to_dict(), "answer": answer, "explanation": explanation, "warnings": warnings}, as_json, text)


def _run(
    experiment: Experiment, data: str, epochs: int | None, faces: FaceOptions, report: Progress
) -> tuple[Result, list[str]]:
    """Run an experiment, report progress to the terminal and to ``report``, and store the result."""
    from fer_core.lessons.experiments import results, run

    with progress("Loading faces") as on_progress:
        dataset = faces.load(data, on_progress)
    with progress("Training") as show:

        def update(done: int, total: int) -> None:
            show(done, total)
            report(done, total)

        result = run(experiment, dataset, epochs=epochs, on_progress=update)
    if epochs is None:
        results.put(result, experiment, dataset, workspace())
    return result, list(dataset.warnings)
