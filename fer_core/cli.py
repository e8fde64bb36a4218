"""The command line: ``python -m fer_core COMMAND``; each action of the pages has its command here.

Every command takes ``--json`` and then prints exactly one JSON document on stdout; progress and notes go to stderr.
Exit status: 0 done, 2 the user's input is wrong (one sentence on stderr), 1 a defect of ours.
A command is thin: options in, one core call, text or JSON out. Heavy libraries load inside the commands.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fer_core import __version__
from fer_core.errors import FerError

app = typer.Typer(
    name="fer-lab",
    help="Facial expression recognition: train, evaluate, explain, and watch live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


def emit(value: Any, as_json: bool, text: str) -> None:
    """Print the result: one JSON document, or the text for people."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False) if as_json else text)


def note(text: str) -> None:
    """Say something about the progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr; yields the function to call with (done, total). Silent when stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def _setting(name: str, *flags: str) -> Any:
    """An option whose help and bounds are those of the setting of the same name in TrainConfig."""
    from fer_core.config import TrainConfig

    field = TrainConfig.model_fields[name]
    default = (
        ""
        if field.is_required() or field.default is None
        else f" Default: {field.get_default(call_default_factory=True)}."
    )
    return typer.Option(*flags, help=f"{field.description}{default}", show_default=False)


SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out faces that cannot be read, instead of refusing them all.")
]


@app.command()
def data(
    source: Annotated[str, typer.Argument(help="A zip, a folder, a csv, 'synthetic' or 'synthetic:N'.")],
    skip_broken: SkipBroken = False,
    votes: Annotated[
        str | None, typer.Option(help="FER+ votes (fer2013new.csv), where they do not lie beside the data.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a data set: faces in each split and class, fingerprint, and what is wrong with it."""
    import time

    from fer_core.data import load

    start = time.perf_counter()
    with progress("Reading faces") as on_progress:
        dataset = load(source, on_progress=on_progress, skip_broken=skip_broken, votes=votes)
    seconds = time.perf_counter() - start
    record = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "counts": dataset.counts(),
        "per_class": dataset.per_class(),
        "votes": dataset.votes is not None,
        "warnings": list(dataset.warnings),
        "seconds": round(seconds, 3),
    }
    emit(record, as_json, _data_text(dataset, seconds))


def _data_text(dataset: Any, seconds: float) -> str:
    """A table of splits and classes, with what else there is to say about a data set."""
    counts, per_class = dataset.counts(), dataset.per_class()
    splits = [split for split, count in counts.items() if count]
    rows = [["", *splits, "all"]]
    for label in per_class["train"]:
        faces = [per_class[split][label] for split in splits]
        rows.append([label, *(f"{n:,}" for n in (*faces, sum(faces)))])
    rows.append(["all", *(f"{counts[split]:,}" for split in splits), f"{len(dataset):,}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    table = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    table[1:1] = table[-1:-1] = ["─" * len(table[0])]
    return "\n".join(
        [
            f"{dataset.name}: {len(dataset):,} faces, read in {seconds:.1f} s",
            "",
            *table,
            "",
            f"fingerprint {dataset.fingerprint}",
            f"FER+ votes  {'yes' if dataset.votes is not None else 'none'}",
            *(f"warning: {warning}" for warning in dataset.warnings),
        ]
    )


@app.command()
def train(
    data: Annotated[str | None, _setting("data", "--data")] = None,
    model: Annotated[str | None, _setting("model", "--model")] = None,
    epochs: Annotated[int | None, _setting("epochs", "--epochs")] = None,
    protocol: Annotated[str | None, _setting("protocol", "--protocol")] = None,
    preset: Annotated[str | None, typer.Option(help="A named set of settings; standard or report.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, e.g. --set learning_rate=0.001 --set augment.flip=false"),
    ] = None,
    init_from: Annotated[str | None, _setting("init_from", "--init-from")] = None,
    evaluate_test: Annotated[bool | None, _setting("evaluate_test", "--evaluate-test")] = None,
    drop_duplicates: Annotated[bool | None, _setting("drop_duplicates", "--drop-duplicates")] = None,
    drop_blank: Annotated[bool | None, _setting("drop_blank", "--drop-blank")] = None,
    use_marks: Annotated[bool | None, _setting("use_marks", "--use-marks")] = None,
    skip_broken: Annotated[bool | None, _setting("skip_broken", "--skip-broken")] = None,
    name: Annotated[str | None, typer.Option(help="What to call the run.")] = None,
    resume: Annotated[str | None, typer.Option(help="Continue this run where it stopped.")] = None,
    run: Annotated[str | None, typer.Option(help="Train in this run directory, made before.", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network; Ctrl-C finishes the step, saves and stops."""
    from fer_core.config import make_train_config
    from fer_core.errors import ConfigError
    from fer_core.training.runs import open_run

    existing = None
    given = {
        "data": data, "model": model, "epochs": epochs, "protocol": protocol, "init_from": init_from,
        "evaluate_test": evaluate_test, "drop_duplicates": drop_duplicates, "drop_blank": drop_blank, "use_marks": use_marks,
        "skip_broken": skip_broken,
    }  # fmt: skip
    overrides = {key: value for key, value in given.items() if value is not None}
    if resume or run:
        if overrides or settings or preset:
            raise ConfigError("A run keeps the settings it began with: give --resume or --run without other settings.")
        existing = open_run(resume or run or "")
        config = existing.config
    else:
        config = make_train_config(preset, **_parse_settings(settings or [], overrides))
    result = _train_with_progress(config, name, existing, resume is not None)
    emit(result.to_dict(), as_json, _train_summary(result))


def _parse_settings(settings: list[str], overrides: dict[str, Any]) -> dict[str, Any]:
    from fer_core.errors import ConfigError

    values = dict(overrides)
    for item in settings:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"'--set {item}' is not of the form NAME=VALUE, e.g. --set learning_rate=0.001")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        *parents, last = key.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"'--set {item}': {parent} is not a group of settings.")
        place[last] = value
    return values


def _train_with_progress(config: Any, name: str | None, run: Any, resuming: bool) -> Any:
    """Train with a bar on stderr; the first Ctrl-C asks for a clean stop, the second breaks off."""
    from fer_core.errors import RunError
    from fer_core.training.runs import RESUMABLE
    from fer_core.training.trainer import train

    if run is not None and resuming and run.state not in RESUMABLE:
        raise RunError(f"The run '{run.label.name}' is {run.state}; only a stopped, failed or lost run can be resumed.")
    with _training_hooks() as hooks:
        return train(config, name=name, run=run, hooks=hooks)


@contextmanager
def _training_hooks() -> Iterator[Any]:
    """Hooks that draw a bar and each epoch's lines on stderr, and stop the training at the first Ctrl-C."""
    import signal

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fer_core.training.runs import EpochRecord, Status
    from fer_core.training.trainer import Hooks

    stop_asked = False

    def interrupt(*_: object) -> None:
        nonlocal stop_asked
        if stop_asked:
            raise KeyboardInterrupt
        stop_asked = True
        note("Finishing this step, then saving; press Ctrl-C again to break off.")

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("Loading faces", total=None, speed="")

            def on_step(status: Status) -> None:
                bar.update(
                    task, description=f"Epoch {status.epoch + 1}/{status.epochs}", completed=status.step,
                    total=status.steps_per_epoch, speed=f"{status.images_per_second:,.0f} images/s",
                )  # fmt: skip

            def on_epoch(record: EpochRecord) -> None:
                for line in record.log_lines():
                    console.print(line, highlight=False)

            yield Hooks(
                on_load=lambda done, total: bar.update(task, completed=done, total=total),
                on_step=on_step, on_epoch=on_epoch, should_stop=lambda: stop_asked,
            )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, previous)


@app.command("train-family")
def train_family(
    data: Annotated[str, typer.Option(help="Where the faces come from: a path, or 'synthetic'.")],
    minutes: Annotated[
        float, typer.Option(min=0.1, help="For everything together; the clock decides how many epochs.")
    ],
    teachers: Annotated[int, typer.Option(min=1, max=20, help="How many large networks at most.")] = 5,
    repeats: Annotated[
        int, typer.Option(min=1, max=20, help="How many of each small network, with different seeds.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train large networks, then 'compact' and 'seed' taught by them, within a time limit; best on a GPU.

    The same command goes on where it was stopped.
    """
    from fer_core.training.family import train_family as train_all

    with _training_hooks() as hooks:
        family = train_all(data, minutes, teachers=teachers, repeats=repeats, hooks=hooks, say=note)
    lines = [
        f"{member.name}: {member.epochs} epochs, validation accuracy {member.valid_accuracy:.4f}, run {member.run}"
        for member in (*family.teachers, *family.students)
    ]
    emit(family.to_dict(), as_json, "\n".join(lines))


def _train_summary(result: Any) -> str:
    record = result.to_dict()
    lines = [f"Run {record['run']} {record['state']} after {record['epochs']} epochs."]
    if record["valid"]:
        kind = "'validation' (trained on!)" if result.config.protocol == "leaky" else "validation"
        lines.append(f"Best epoch {record['best_epoch']}: {kind} accuracy {record['valid']['accuracy']:.4f}.")
    if "honest" in record:
        low, high = record["honest"]["accuracy_ci95"]
        lines.append(
            f"Honest accuracy {record['honest']['accuracy']:.4f} (95 % interval {low:.3f}–{high:.3f}, "
            f"n = {record['honest']['n']:,}). {record['honest']['why']}"
        )
    if "test" in record:
        low, high = record["test"]["accuracy_ci95"]
        lines.append(f"Test accuracy {record['test']['accuracy']:.4f} (95 % interval {low:.3f}–{high:.3f}).")
    return "\n".join(lines)


@app.command("app")
def run_app(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve here; the next free port where it is taken. [8501]")
    ] = None,
    window: Annotated[
        bool, typer.Option("--window", help="Open a window of its own instead of a browser tab.")
    ] = False,
) -> None:
    """Start the app in the browser; a second start on the same workspace opens the one that runs."""
    from fer_core.launcher import launch
    from fer_core.workspace import Workspace

    status = launch(Workspace.default(), port=port, window=window, say=note)
    if status:
        raise typer.Exit(status)


runs_app = typer.Typer(help="List, show and compare training runs.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")


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
    records = [_run_record(run) for run in list_runs()]
    lines = [
        f"{r['run']:<50} {r['state']:<9} {r['epochs']:>4} epochs  "
        + (f"best valid {r['best']['valid_accuracy']:.4f} (epoch {r['best']['epoch']})" if r["best"] else "")
        for r in records
    ]
    emit(records, as_json, "\n".join(lines) or "No runs yet. Start one with: python -m fer_core train --data synthetic")


@runs_app.command("show")
def runs_show(run: str, as_json: JsonOption = False) -> None:
    """Settings, machine, epochs and state of one run."""
    from fer_core.training.runs import open_run

    found = open_run(run)
    record = {
        **_run_record(found),
        "status": found.status.to_dict(),
        "config": found.config.to_dict(),
        "environment": found.environment(),
        "records": [r.to_dict() for r in found.records()],
    }
    text = [f"{found.label.name}  ({found.id})", f"state: {record['state']}"]
    if found.status.error:
        text.append(f"reason: {found.status.error}")
    text += [f"{key}: {value}" for key, value in record["config"].items()] + [""] + found.log_tail(10_000)
    emit(record, as_json, "\n".join(text))


@runs_app.command("compare")
def runs_compare(
    first: str,
    second: str,
    split: Annotated[str, typer.Option(help="Which predictions of the two runs: valid, honest or test.")] = "valid",
    as_json: JsonOption = False,
) -> None:
    """Which faces two runs answer differently, and whether the difference is more than chance."""
    from fer_core.evaluation import Predictions
    from fer_core.evaluation.compare import compare
    from fer_core.training.runs import open_run

    a, b = open_run(first), open_run(second)
    result = compare(*(Predictions.read(run.path / f"predictions-{split}.npz") for run in (a, b)))
    names = f"'{a.label.name}'", f"'{b.label.name}'"
    text = [
        f"{result.n:,} faces of {split}: {names[0]} {result.accuracies[0]:.4f}, {names[1]} {result.accuracies[1]:.4f}.",
        f"{len(result.gained):,} faces gained, {len(result.lost):,} lost, {len(result.changed):,} answered differently.",
        result.test.sentence(*names),
    ]
    emit({"first": a.id, "second": b.id, "split": split, **result.to_dict()}, as_json, "\n".join(text))


DropDuplicates = Annotated[
    bool, typer.Option("--drop-duplicates", help="Leave out faces with a copy in train or valid.")
]
DropBlank = Annotated[bool, typer.Option("--drop-blank", help="Leave out images of one single grey value.")]
UseMarks = Annotated[bool, typer.Option("--use-marks", help="Use your marks: relabel, or leave out.")]


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model, a run, or a .safetensors file.")],
    data: Annotated[str, _setting("data", "--data")] = "synthetic",
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    tta: Annotated[str, typer.Option(help="none, or flip: average each face with its mirror image.")] = "none",
    votes: Annotated[
        str | None, typer.Option(help="FER+ votes (fer2013new.csv), where they do not lie beside the data.")
    ] = None,
    drop_duplicates: DropDuplicates = False,
    drop_blank: DropBlank = False,
    use_marks: UseMarks = False,
    skip_broken: SkipBroken = False,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a model on one split of a data set."""
    from fer_core.data import load
    from fer_core.data.cleaning import Cleaning
    from fer_core.errors import ConfigError
    from fer_core.evaluation.report import evaluate_split
    from fer_core.inference import Classifier

    if tta not in ("none", "flip"):
        raise ConfigError(f"--tta takes none or flip, not '{tta}'.")
    classifier = Classifier.load(model)
    with progress("Loading faces") as on_load:
        dataset = load(data, on_progress=on_load, votes=votes, skip_broken=skip_broken)
    with progress("Evaluating") as on_progress:
        report = evaluate_split(
            classifier, dataset, split, "flip" if tta == "flip" else "none",
            cleaning=Cleaning(drop_duplicates, drop_blank, use_marks), on_progress=on_progress,
        )  # fmt: skip
    emit(
        {"model": model, "data": dataset.name, **report.to_dict()},
        as_json,
        _evaluation_text(model, dataset.name, report),
    )


def _evaluation_text(model: str, data: str, report: Any) -> str:
    result = report.evaluation
    low, high = result.accuracy_ci95
    macro = "–" if result.macro_f1 is None else f"{result.macro_f1:.4f}"
    alone = "–" if report.deduplicated.accuracy is None else f"{report.deduplicated.accuracy:.4f}"
    lines = [
        f"{model} on {data}, {result.split}: accuracy {result.accuracy:.4f} (95 % interval {low:.4f}–{high:.4f}, n = {result.n:,})",
        f"deduplicated: {alone} (n = {report.deduplicated.n:,}); macro-F1 {macro}, ECE {result.ece:.4f}",
        "",
        f"{'':10} precision  recall      F1       n",
    ]
    for label, score in result.per_class.items():
        cells = ["   –  " if v is None else f"{v:6.3f}" for v in (score.precision, score.recall, score.f1)]
        lines.append(f"{label:10}    {'  '.join(cells)}  {score.n:>6,}")
    lines += ["", *report.sentences]
    return "\n".join(lines)


@app.command()
def audit(
    source: Annotated[str, typer.Argument(help="A path, or 'synthetic'.")],
    suspects: Annotated[
        bool, typer.Option("--suspects", help="Also look for suspect labels; trains three networks.")
    ] = False,
    near: Annotated[
        int, typer.Option(min=0, max=16, help="Near duplicates: bits of 64 in which two faces may differ.")
    ] = 4,
    html: Annotated[str | None, typer.Option(help="Also write the findings, with pictures, to this file.")] = None,
    skip_broken: SkipBroken = False,
    as_json: JsonOption = False,
) -> None:
    """Find duplicates, leaks across splits, label conflicts, blanks and suspect labels."""
    from fer_core.data import load
    from fer_core.evaluation.audit import audit_exact, near_duplicates, suspect_labels

    started = time.perf_counter()
    with progress("Loading faces") as on_load:
        dataset = load(source, on_progress=on_load, skip_broken=skip_broken)
    exact = audit_exact(dataset)
    pairs = near_duplicates(dataset, exact.groups, near)
    record: dict[str, Any] = {"data": dataset.name, "fingerprint": dataset.fingerprint, **exact.to_dict()}
    record["near_duplicates"] = {"threshold": near, "pairs": len(pairs.first)}
    found = None
    if suspects:
        from fer_core.training import out_of_fold

        with progress("Training three networks") as on_progress:
            positions, probabilities = out_of_fold.compute(dataset, on_progress=on_progress).read()
        found = suspect_labels(dataset.labels[positions], probabilities, positions)
        record["suspect_labels"] = len(found.positions)
        record["suspect_labels_agreement"] = found.agreement
    record["seconds"] = time.perf_counter() - started
    if html:
        from fer_core.report.audit import audit_html

        Path(html).write_text(audit_html(dataset, exact, pairs, found), encoding="utf-8")
    emit(record, as_json, _audit_text(record))


def _audit_text(record: dict[str, Any]) -> str:
    lines = [
        f"{record['data']}: {record['redundant']:,} redundant images in {record['groups']:,} groups of exact copies",
        *(
            f"  {v['images']:,} faces of {k.split('/')[1]} also stand in {k.split('/')[0]}"
            for k, v in record["cross_split"].items()
        ),
        f"{record['label_conflict_groups']:,} groups ({record['label_conflict_images']:,} images) carry conflicting labels",
        f"{record['blank']:,} blank images",
        f"{record['near_duplicates']['pairs']:,} pairs differ in at most {record['near_duplicates']['threshold']} of 64 bits",
    ]
    if "suspect_labels" in record:
        agreement = f"{record['suspect_labels_agreement']:.0%}"
        lines.append(
            f"{record['suspect_labels']:,} suspect labels among the training faces; the networks that say so agree with "
            f"{agreement} of the labels"
        )
    return "\n".join(lines)


@app.command()
def predict(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Photographs, or folders of them (with their sub-folders).")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="A shipped model, a run, or a .safetensors file. Default: FER_MODEL, else compact, else seed."
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(help="Also write a table, row by row; photographs that stand in it already are skipped."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the faces in photographs and name their expressions."""
    from fer_core.errors import ImageError
    from fer_core.faces import FaceDetector
    from fer_core.inference import Classifier, default_model, share_processor
    from fer_core.photos import find_photos, predict_paths

    total = len(find_photos(paths))
    share_processor()
    name = model or default_model()
    classifier, detector = Classifier.load(name), FaceDetector()
    with progress("Photographs") as on_progress:
        results = predict_paths(paths, detector, classifier, csv=csv, model_name=name, on_progress=on_progress)
        records = [result.to_dict() for result in results]
    if total > len(records):
        note(f"{total - len(records)} of {total} photographs stood in {csv} already and were skipped.")
    emit(records, as_json, "\n".join(_photo_text(record) for record in records))
    if records and all("error" in record for record in records):
        raise ImageError("None of these files could be read as a photograph; the reason stands beside each.")


def _photo_text(record: dict[str, Any]) -> str:
    """One line for one photograph."""
    from fer_core.formatting import shown

    faces = [
        ("not sure, perhaps " if face["abstained"] else "")
        + f"{face['label']} {max(face['probabilities'].values()):.0%}"
        for face in record["faces"]
    ]
    numbered = [f"{number} {face}" for number, face in enumerate(faces, start=1)] if len(faces) > 1 else faces
    notes = f" ({'; '.join(record['notes'])})" if "notes" in record else ""
    return f"{shown(record['file'])}: {record.get('error') or ', '.join(numbered) or 'no face found'}{notes}"


@app.command()
def explain(
    photo: Annotated[str | None, typer.Argument(help="A photograph; its largest face is explained.")] = None,
    model: Annotated[str | None, typer.Option(help="A shipped model, a run, or a .safetensors file.")] = None,
    method: Annotated[
        str, typer.Option(help="gradient, smoothgrad, integrated_gradients, gradcam or occlusion.")
    ] = "gradcam",
    target: Annotated[
        str | None, typer.Option(help="The expression to explain; the predicted one if not given.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write the overlay to this image file.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Instead of a photograph: region shares over a whole split of this data.")
    ] = None,
    split: Annotated[str, typer.Option(help="With --data: train, valid or test.")] = "valid",
    skip_broken: SkipBroken = False,
    as_json: JsonOption = False,
) -> None:
    """Show which parts of a face decide the answer, and whether the map is to be believed."""
    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier
    from fer_core.inference.classifier import default_model

    if (photo is None) == (data is None):
        raise ConfigError("Give either a photograph or --data, e.g. explain photo.jpg, or explain --data fer2013.zip.")
    classifier = Classifier.load(model or default_model())
    if data is not None:
        from fer_core.data import load
        from fer_core.explanation import study_regions

        with progress("Loading faces") as on_load:
            dataset = load(data, on_progress=on_load, skip_broken=skip_broken)
        with progress("Explaining") as on_progress:
            study = study_regions(classifier, dataset, dataset.indices(split), method, on_progress=on_progress)
        emit({"data": dataset.name, "split": split, **study.to_dict()}, as_json, study.sentence())
        return
    from fer_core.explanation.photo import explain_photo

    with progress("Explaining") as on_progress:
        result = explain_photo(photo or "", classifier, method, target, on_progress=on_progress)
    if output:
        result.save(output)
    emit(result.to_dict(), as_json, result.text())


@app.command()
def filters(
    model: Annotated[str, typer.Argument(help="A shipped model, a run, or a .safetensors file.")],
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write the sheet to this image file.")] = None,
    layer: Annotated[
        str | None, typer.Option(help="A convolution by its name, e.g. block2.0; the last one if not given.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Also name the nine faces of this data that excite each filter most.")
    ] = None,
    split: Annotated[str, typer.Option(help="With --data: train, valid or test.")] = "valid",
    skip_broken: SkipBroken = False,
    as_json: JsonOption = False,
) -> None:
    """Find the pattern that each filter of a layer looks for, and the faces that excite it most."""
    from fer_core.explanation.filters import cached_patterns, cached_top_faces
    from fer_core.explanation.pictures import check_picture_name, write_picture
    from fer_core.inference import Classifier, share_processor

    if output:
        check_picture_name(output)  # before the work, not after it
    share_processor()
    classifier = Classifier.load(model)
    dataset = None
    if data is not None:
        from fer_core.data import load

        with progress("Loading faces") as on_load:
            dataset = load(data, on_progress=on_load, skip_broken=skip_broken)
        dataset.indices(split)
    started = time.perf_counter()
    with progress("Climbing") as on_progress:
        patterns = cached_patterns(classifier, layer, on_progress=on_progress)
    seconds = time.perf_counter() - started
    if output:
        write_picture(output, patterns.sheet())
    record: dict[str, Any] = {"model": model, "output": output, "seconds": round(seconds, 3), **patterns.to_dict()}
    if dataset is not None:
        with progress("Looking at faces") as on_progress:
            tops = cached_top_faces(classifier, dataset, split, layer, on_progress=on_progress)
        record |= {"data": dataset.name, "split": split, "n": tops.n}
        for entry in record["filters"]:
            entry.update(tops.to_dict(entry["filter"], dataset.ids))
    emit(record, as_json, _filters_text(record, patterns.sentence()))


def _filters_text(record: dict[str, Any], sentence: str) -> str:
    lines = [sentence]
    for entry in record["filters"]:
        line = f"{entry['filter']:>4}  " + ("dead" if entry["dead"] else f"response {entry['response']:8.2f}")
        if "faces" in entry:
            best = entry["faces"][0]
            line += f"   of the faces most: {best['id']} ({best['response']:.2f})"
        lines.append(line + (f"   {entry['note']}" if entry.get("note") else ""))
    return "\n".join(lines + ([f"The sheet is in {record['output']}."] if record["output"] else []))


@app.command()
def video(
    source: Annotated[str, typer.Argument(help="A video file.")],
    output: Annotated[str | None, typer.Option("--output", "-o", help="Annotated copy (.mp4, .m4v, .mov).")] = None,
    csv: Annotated[str | None, typer.Option("--csv", help="Table with a row for each face in each frame.")] = None,
    model: Annotated[str | None, typer.Option(help="A shipped model, a run, or a .safetensors file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Follow and classify the faces of a video; Ctrl-C keeps what is done."""
    import signal

    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier, default_model, share_processor
    from fer_core.live.video import VideoProgress, annotate_video

    if output is None and csv is None:
        raise ConfigError(
            "Say what to make of the video: -o OUT.mp4 for an annotated copy, --csv FILE for a table, or both."
        )
    share_processor()
    classifier = Classifier.load(model or default_model())
    stop_asked = False

    def interrupt(*_: object) -> None:
        nonlocal stop_asked
        stop_asked = True

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        with progress("Video (seconds)") as on_progress:

            def report(p: VideoProgress) -> None:
                on_progress(int(p.seconds), int(p.total_seconds or p.seconds))

            result = annotate_video(source, output, csv, classifier, on_progress=report, should_stop=lambda: stop_asked)
    finally:
        signal.signal(signal.SIGINT, previous)
    lines = [
        f"{result.frames:,} frames ({result.seconds:.1f} s), {result.tracks} people followed, {result.faces:,} faces classified"
        + (", stopped before the end" if result.stopped else "") + ".",
        *result.notes,
    ]  # fmt: skip
    emit({"source": source, "output": output, "csv": csv, **result.to_dict()}, as_json, "\n".join(lines))


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's id, its name, or its folder.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Write the report to this file.")] = "report.html",
    data: Annotated[
        str | None, typer.Option(help="Where the run's faces lie now; the place in its settings if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run's lab report: one HTML file, to be read or printed anywhere."""
    from pathlib import Path

    from fer_core.errors import ConfigError
    from fer_core.inference import share_processor
    from fer_core.report.lab_report import make_report
    from fer_core.training.runs import open_run
    from fer_core.workspace import atomic_write

    if Path(output).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"'{output}' does not end like a web page. Use .html; any browser prints it to PDF.")
    found = open_run(run)
    share_processor()
    with progress("Making the report") as on_progress:
        made = make_report(found, data, on_progress=on_progress)
    with atomic_write(Path(output)) as file:
        file.write(made.html.encode())
    accuracy = made.accuracy
    lines = [f"The report of '{made.name}' is in {output} ({len(made.html) / 1e6:.1f} MB, {made.seconds:.0f} s)."]
    if accuracy:
        low, high = accuracy["accuracy_ci95"]
        lines.append(
            f"Accuracy ({accuracy['split']}) {accuracy['accuracy']:.4f}, 95 % interval {low:.4f}–{high:.4f}, n = {accuracy['n']:,}."
        )
    emit({"output": output, **made.to_dict()}, as_json, "\n".join(lines + made.gaps))


@app.command("check-math")
def check_math(as_json: JsonOption = False) -> None:
    """Check every formula of the Derivations page against central differences and autograd."""
    from fer_core.lessons.math_checks import FORMULAS, check_all, check_report

    results = check_all()
    lines = [f"{'right' if r.passed else 'WRONG'}  {FORMULAS[r.name].title:<42} error {r.error:.1e}" for r in results]
    lines += ["", "The lab report's own formulas:"]
    for formula in FORMULAS.values():
        found = check_report(formula)
        if found:
            lines.append(f"{'right' if found.passed else 'WRONG'}  {formula.title:<42} error {found.error:.1e}")
    emit([r.to_dict() for r in results], as_json, "\n".join(lines))


@app.command()
def experiment(
    name: Annotated[str | None, typer.Argument(help="Which one; without it all are listed.")] = None,
    data: Annotated[str, _setting("data", "--data")] = "synthetic",
    epochs: Annotated[int | None, typer.Option(min=1, max=500, help="Instead of the experiment's own number.")] = None,
    skip_broken: SkipBroken = False,
    progress_lines: Annotated[bool, typer.Option("--progress-lines", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Break something on purpose: two small trainings that differ in one thing, and a paragraph on what came of it."""
    from fer_core.data import load
    from fer_core.lessons.experiments import experiments, find, run
    from fer_core.lessons.experiments.apart import PROGRESS_MARK, keep

    if name is None:
        known = experiments()
        lines = [f"{e.name:<14} {e.title}" for e in known.values()]
        emit(
            [{"name": e.name, "title": e.title, "question": e.question} for e in known.values()],
            as_json,
            "\n".join(lines),
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
        keep(result, chosen, dataset)
    answer, explanation = chosen.choices[chosen.answer(result.arms)], chosen.explain(result.arms)
    text = f"{chosen.question}\n{answer}\n\n{explanation}\n\n{result.seconds:.0f} s on {result.data_name}"
    emit({**result.to_dict(), "answer": answer, "explanation": explanation}, as_json, text)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A shipped model, a run, or a file.")],
    onnx: Annotated[Path, typer.Option("--onnx", help="The ONNX file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Write a network as ONNX: grey bytes in, logits and probabilities out; checked against PyTorch."""
    from fer_core.inference import Classifier
    from fer_core.inference.export import export_onnx

    result = export_onnx(Classifier.load(model), onnx)
    text = (
        f"Wrote {result.path} ({result.bytes / 1e6:.1f} MB, opset {result.opset}). Largest difference of a probability "
        f"from PyTorch: {result.max_probability_difference:.1e} over {result.faces_compared} faces."
    )
    emit(result.to_dict(), as_json, text)


bench_app = typer.Typer(help="Measure speed against a plain way of doing the same.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


@bench_app.command("train")
def bench_train(
    model: Annotated[str, _setting("model", "--model")] = "seed",
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How often each loop takes its turn.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Images per second of training: ours, a DataLoader in our precision, and the plain way."""
    from fer_core.bench import bench_train as measure

    r = measure(model, rounds=rounds, note=note)
    rows = [
        f"{r['device']}, {r['threads']} threads, {r['precision']}, torch {r['torch']}, {r['model']}, batch {r['batch_size']}, medians of {r['rounds']} rounds",
        f"ours                                   {r['images_per_second']:>8,.0f} images/s",
        f"DataLoader, our precision and layout   {r['dataloader_images_per_second']:>8,.0f} images/s",
        f"DataLoader, float32, default layout    {r['plain_images_per_second']:>8,.0f} images/s",
        f"ours / plain: {r['ratio']:.2f}",
        f"{r['achieved_gflops']:.0f} of {r['matmul_gflops']:.0f} GFLOP/s matmul peak ({r['fraction_of_peak']:.0%})",
    ]
    emit(r, as_json, "\n".join(rows))


@bench_app.command("infer")
def bench_infer(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models to measure; all shipped ones if none is named.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How often each engine takes its turn.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Milliseconds for one face and faces per second, for PyTorch and ONNX Runtime on one thread."""
    from fer_core.bench import bench_infer as measure
    from fer_core.inference import shipped_models

    r = measure(models or shipped_models(), rounds, note)
    rows = [f"{'model':<24} {'engine':<20} {'one face':>10} {'in batches of 64':>20}   largest |Δp|"]
    rows += [
        f"{model:<24} {engine:<20} {figures['batch1_ms']:>7.2f} ms {figures['batch64_images_per_second']:>12,.0f} faces/s"
        f"   {figures['max_probability_difference']:.1e}"
        for model, engines in r.items()
        for engine, figures in engines.items()
    ]
    emit(r, as_json, "\n".join(rows))


@bench_app.command("live")
def bench_live(
    photos: Annotated[str, typer.Argument(help="A folder of photographs to make the clip of.")],
    model: Annotated[str | None, typer.Option(help="A shipped model, a run, or a file.")] = None,
    faces: Annotated[int, typer.Option(min=1, max=6, help="Faces in the clip.")] = 1,
    detect_every: Annotated[int | None, typer.Option(min=1, max=30, help="Frames from one search to the next.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often the clip is run through.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Milliseconds per frame of the live path at 640×480, and of a plain way of doing the same."""
    from fer_core.bench import bench_live as measure
    from fer_core.bench import clip_of_photos
    from fer_core.inference import default_model, share_processor
    from fer_core.photos import find_photos

    share_processor()
    clip = clip_of_photos(list(find_photos([photos])), faces)
    r = measure(clip, model or default_model(), detect_every, rounds, note)
    stages = ", ".join(f"{name} {ms:.1f}" for name, ms in r["stages"].items())
    rows = [
        f"{r['device']}, {r['model']}, {r['size'][0]}×{r['size'][1]}, {r['faces']:.1f} faces, {r['frames']} frames",
        f"ours    mean {r['mean_ms']:.1f} ms, median {r['median_ms']:.1f}, p95 {r['p95_ms']:.1f} ({stages})",
        f"        a search every {r['detect_every']} frames; frames with one take {r['detect_frame_ms']:.1f} ms",
        f"plain   mean {r['plain_mean_ms']:.1f} ms",
        f"plain / ours: {r['ratio']:.2f}",
    ]
    emit(r, as_json, "\n".join(rows))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Users' errors become one line on stderr and status 2."""
    try:
        app(args=arguments)
    except FerError as error:
        note("error: " + " ".join(str(error).split()))
        return 2
    except SystemExit as leave:  # typer's own way to end, with 2 for a command line it cannot understand
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except KeyboardInterrupt:
        note("stopped.")
        return 130
    return 0
