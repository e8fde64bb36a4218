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
    rows = [["right" if found.passed else "WRONG", title, f"{found.error:.1e}"] for title, found in checks]
    return table(["", "formula", "error"], rows, left=2)


@commands.command()
@reads_faces
def experiment(
    name: Annotated[str | None, typer.Argument(help="Which one; without it all are listed.")] = None,
    data: Annotated[str, setting("data", "--data")] = "synthetic",
    epochs: Annotated[int | None, typer.Option(min=1, max=500, help="Instead of the experiment's own number.")] = None,
    job: Annotated[Path | None, typer.Option(hidden=True, help="Work as the job of this directory.")] = None,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Break something on purpose: two small trainings that differ in one thing, and a paragraph on what came of it."""
    from fer_core.errors import FerError
    from fer_core.lessons.experiments import experiments, find
    from fer_core.lessons.experiments.job import ExperimentJob

    if name is None:
        known = experiments()
        emit(
            [{"name": e.name, "title": e.title, "question": e.question} for e in known.values()],
            as_json,
            table(["name", "what it is"], [[e.name, e.title] for e in known.values()], left=2),
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
    """Run an experiment, with its progress on the terminal and to whoever watches; keep its result."""
    from fer_core.lessons.experiments import results, run

    with progress("Reading faces") as on_progress:
        dataset = faces.load(data, on_progress)
    with progress("Training") as show:

        def told(done: int, total: int) -> None:
            show(done, total)
            report(done, total)

        result = run(experiment, dataset, epochs=epochs, on_progress=told)
    if epochs is None:
        results.put(result, experiment, dataset, workspace())
    return result, list(dataset.warnings)
