"""``runs`` and ``report``: list, show, compare and report training runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fer_core.cli.options import JsonOption, workspace
from fer_core.cli.output import emit, note, progress, table

commands = typer.Typer()


runs_app = typer.Typer(help="List, show and compare training runs.", invoke_without_command=True)
commands.add_typer(runs_app, name="runs")


def _run_record(run: Any) -> dict[str, Any]:
    best = run.best()
    return {
        "run": run.id,
        "name": run.label.name,
        "state": run.state,
        "epochs": len(run.records()),
        "best": best.to_dict() if best else None,
    }


@runs_app.callback()
def runs(context: typer.Context, as_json: JsonOption = False) -> None:
    """List, show and compare training runs."""
    from fer_core.training.runs import list_runs

    if context.invoked_subcommand:
        return
    records = [_run_record(run) for run in list_runs(workspace())]
    if not records and not as_json:
        note("No runs yet. Start one with: python -m fer_core train --data synthetic")
        return
    rows = [
        [
            r["run"], r["state"], r["epochs"],
            f"{r['best']['valid_accuracy']:.4f}" if r["best"] else None, r["best"]["epoch"] if r["best"] else None,
        ]
        for r in records
    ]  # fmt: skip
    emit(records, as_json, table(["run", "state", "epochs", "best validation accuracy", "at epoch"], rows, left=2))


@runs_app.command("show")
def runs_show(run: str, as_json: JsonOption = False) -> None:
    """Show settings, machine, epochs and state of a run."""
    from fer_core.training.runs import open_run

    found = open_run(run, workspace())
    record = {
        **_run_record(found),
        "status": found.status.to_dict(),
        "config": found.config.to_document(),
        "environment": found.environment(),
        "records": [r.to_dict() for r in found.records()],
    }
    text = [f"{found.label.name}  ({found.id})", f"state: {record['state']}"]
    if found.status.error:
        text.append(f"reason: {found.status.error}")
    text += [f"{key}: {value}" for key, value in found.config.to_dict().items()] + [""] + found.log_tail(10_000)
    emit(record, as_json, "\n".join(text))


@runs_app.command("compare")
def runs_compare(
    first: str,
    second: str,
    split: Annotated[str, typer.Option(help="Which predictions of the two runs: valid, honest or test.")] = "valid",
    as_json: JsonOption = False,
) -> None:
    """Compare the predictions of two runs face by face, with McNemar's test."""
    from fer_core.evaluation import Predictions
    from fer_core.evaluation.compare import compare
    from fer_core.training.runs import open_run

    a, b = open_run(first, workspace()), open_run(second, workspace())
    result = compare(*(Predictions.read(run.path / f"predictions-{split}.npz") for run in (a, b)))
    names = f"'{a.label.name}'", f"'{b.label.name}'"
    text = [
        f"{result.n:,} faces of {split}: {names[0]} {result.accuracies[0]:.4f}, {names[1]} {result.accuracies[1]:.4f}.",
        f"{len(result.gained):,} faces gained, {len(result.lost):,} lost, {len(result.changed):,} predicted differently.",
        result.test.sentence(*names),
    ]
    emit({"first": a.id, "second": b.id, "split": split, **result.to_dict()}, as_json, "\n".join(text))


@commands.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's id, its name, or its folder.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Write the report to this file.")] = "report.html",
    data: Annotated[
        str | None, typer.Option(help="Current location of the run's faces; the location in its settings if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a run's lab report as one self-contained HTML file."""

    from fer_core.errors import ConfigError
    from fer_core.inference import limit_torch_threads
    from fer_core.report.lab_report import make_report
    from fer_core.training.runs import open_run
    from fer_core.workspace import atomic_write

    if Path(output).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"'{output}' must end in .html. Any browser can print it to PDF.")
    found = open_run(run, workspace())
    limit_torch_threads()
    with progress("Creating the report") as on_progress:
        made = make_report(found, data, on_progress=on_progress, workspace=workspace())
    with atomic_write(Path(output)) as file:
        file.write(made.html.encode())
    accuracy = made.accuracy
    lines = [f"Wrote the report of '{made.name}' to {output} ({len(made.html) / 1e6:.1f} MB, {made.seconds:.0f} s)."]
    if accuracy:
        low, high = accuracy["accuracy_ci95"]
        lines.append(
            f"Accuracy ({accuracy['split']}) {accuracy['accuracy']:.4f}, 95% interval {low:.4f}–{high:.4f}, n = {accuracy['n']:,}."
        )
    emit({"output": output, **made.to_dict()}, as_json, "\n".join(lines + made.gaps))
