"""``train``, ``train-family`` and ``teach``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_core.cli.options import FaceOptions, JsonOption, reads_faces, setting, workspace
from fer_core.cli.output import emit, note, progress, stop_on_interrupt, table
from fer_core.formatting import percent, percent_with_interval

if TYPE_CHECKING:
    from fer_core.config import TrainConfig
    from fer_core.data import FaceDataset
    from fer_core.teach import Taught
    from fer_core.training.distributed.processes import Processes

commands = typer.Typer()


@commands.command()
@reads_faces
def train(
    data: Annotated[str | None, setting("data", "--data")] = None,
    model: Annotated[str | None, setting("model", "--model")] = None,
    epochs: Annotated[int | None, setting("epochs", "--epochs")] = None,
    protocol: Annotated[str | None, setting("protocol", "--protocol")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A named set of settings: standard, report, own-faces or compact-gpu. Default: own-faces for few faces, report for the protocol leaky, otherwise standard."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting, e.g. --set learning_rate=0.001 --set augment.flip=false"),
    ] = None,
    init_from: Annotated[str | None, setting("init_from", "--init-from")] = None,
    evaluate_test: Annotated[bool | None, setting("evaluate_test", "--evaluate-test")] = None,
    drop_duplicates: Annotated[bool | None, setting("drop_duplicates", "--drop-duplicates")] = None,
    drop_blank: Annotated[bool | None, setting("drop_blank", "--drop-blank")] = None,
    use_marks: Annotated[bool | None, setting("use_marks", "--use-marks")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    resume: Annotated[str | None, typer.Option(help="Resume this run; with --data if its data was moved.")] = None,
    run: Annotated[str | None, typer.Option(help="Train in this existing run directory.", hidden=True)] = None,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Train a network. Ctrl-C finishes the current step, saves and stops.

    To share the work between GPUs or machines, start it with torchrun, such as
    torchrun --standalone --nproc-per-node 4 -m fer_core train; see docs/scale.md.
    """
    from fer_core.errors import ConfigError
    from fer_core.training.distributed.join import joined
    from fer_core.training.runs import open_run

    given = {
        "data": data, "model": model, "epochs": epochs, "protocol": protocol, "init_from": init_from,
        "evaluate_test": evaluate_test, "drop_duplicates": drop_duplicates, "drop_blank": drop_blank, "use_marks": use_marks,
    }  # fmt: skip
    overrides = {key: value for key, value in given.items() if value is not None}
    with joined() as processes:
        existing = dataset = config = None
        moved_to: str | None = None
        if resume or run:
            moved_to = str(overrides.pop("data")) if resume and "data" in overrides else None
            if overrides or settings or preset or faces.given:
                raise ConfigError("A run keeps its settings: use --resume or --run without other settings but --data.")
            if processes is None or processes.first:
                existing = open_run(resume or run or "", workspace())
                config = existing.config
        else:
            config, dataset = _new_training(preset, _parse_settings(settings or [], overrides), faces)
        if processes is not None and not processes.first:
            _follow(config, processes, dataset)
            return
        assert config is not None
        result = _train_with_progress(config, name, existing, resume is not None, dataset, moved_to, processes)
        emit(result.to_dict(), as_json, _train_summary(result))


def _new_training(
    preset: str | None, values: dict[str, Any], faces: FaceOptions
) -> tuple[TrainConfig, FaceDataset | None]:
    """Return the settings of a new training, and its faces if the settings depend on them."""
    from fer_core.data.reading import Reading
    from fer_core.presets import default_preset, make_train_config

    values = {**values, **faces.reading().model_dump(mode="json", exclude_unset=True)}
    protocol = str(values.get("protocol", "official"))
    chosen_by_size = preset is None and default_preset(protocol, 0) != default_preset(protocol)
    # Invalid settings fail before the data is read; until the faces are counted, the preset for few faces is assumed.
    config = make_train_config(preset, train_faces=0, **values)
    if not (chosen_by_size or faces.merge or faces.drop or faces.use_class_map):
        return config, None
    with progress("Loading faces") as bar:
        dataset = faces.load(config.data, bar, Reading.of(config.to_dict()))
    n = dataset.counts()["train"]
    if chosen_by_size and (small := default_preset(protocol, n)) != default_preset(protocol):
        note(f"{n:,} training faces: using the preset {small}. Use --preset for another, e.g. --preset standard.")
    values["class_map"] = [mapped.to_dict() for mapped in dataset.class_map]
    return make_train_config(preset, train_faces=n, **values), dataset


def _parse_settings(settings: list[str], overrides: dict[str, Any]) -> dict[str, Any]:
    from fer_core.errors import ConfigError

    values = dict(overrides)
    for item in settings:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"'--set {item}' must have the form NAME=VALUE, e.g. --set learning_rate=0.001")
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


def _train_with_progress(
    config: TrainConfig,
    name: str | None,
    run: Any,
    resuming: bool,
    dataset: FaceDataset | None,
    data: str | None,
    processes: Processes | None,
) -> Any:
    """Train with a bar on stderr; the first Ctrl-C asks for a clean stop, the second breaks off."""
    from fer_core.errors import RunError
    from fer_core.jobs import RESUMABLE
    from fer_core.training.trainer import train

    if run is not None and resuming and run.state not in RESUMABLE:
        raise RunError(f"The run '{run.label.name}' is {run.state}; only a stopped, failed or lost run can be resumed.")
    with _training_hooks() as hooks:
        return train(
            config, name=name, run=run, data=data, dataset=dataset, hooks=hooks, workspace=workspace(), processes=processes
        )  # fmt: skip


def _follow(config: TrainConfig | None, processes: Processes, dataset: FaceDataset | None) -> None:
    """Take part in the training of process 0, which alone shows progress and prints the result."""
    from fer_core.training.trainer import follow

    with stop_on_interrupt("") as stop_asked:
        follow(config, processes, dataset=dataset, workspace=workspace(), should_stop=stop_asked)


@contextmanager
def _training_hooks() -> Iterator[Any]:
    """Hooks that draw a bar and each epoch's lines on stderr, and stop the training at the first Ctrl-C."""
    from fer_core.training.runs import EpochRecord, Status
    from fer_core.training.trainer import Hooks

    with stop_on_interrupt("Finishing this step, then saving.") as stop_asked, progress("Loading faces") as bar:

        def on_step(status: Status) -> None:
            bar(
                status.step,
                status.steps_per_epoch,
                description=f"Epoch {status.epoch + 1}/{status.epochs}",
                speed=f"{status.images_per_second:,.0f} images/s",
            )

        def on_epoch(record: EpochRecord) -> None:
            for line in record.log_lines():
                bar.print(line)

        yield Hooks(
            on_load=bar,
            on_step=on_step,
            on_epoch=on_epoch,
            should_stop=stop_asked,
            on_warning=lambda text: bar.print(f"warning: {text}"),
        )


@commands.command("train-family")
@reads_faces
def train_family(
    data: Annotated[str, typer.Option(help="The data: a path, or 'synthetic'.")],
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Time limit for everything; it determines the number of epochs.")
    ],
    teachers: Annotated[int, typer.Option(min=1, max=20, help="Maximum number of large networks.")] = 5,
    repeats: Annotated[
        int, typer.Option(min=1, max=20, help="Number of small networks of each kind, with different seeds.")
    ] = 1,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Train large networks, then distill 'compact' and 'seed' from them, within a time limit; best on a GPU.

    If the data has people's votes, 'compact-people' and 'seed-people' are trained on these.
    Run the same command again to resume.
    """
    from fer_core.errors import ConfigError
    from fer_core.training.distributed.launch import Launch
    from fer_core.training.family import train_family as train_all

    launch = Launch.of(os.environ)
    if launch is not None and launch.size > 1:
        raise ConfigError("train-family runs in one process. Start it without torchrun; torchrun works with train.")
    with _training_hooks() as hooks:
        dataset = faces.load(data, hooks.on_load)
        family = train_all(
            data, minutes, teachers=teachers, repeats=repeats, reading=faces.reading(), dataset=dataset,
            hooks=hooks, log=note, workspace=workspace(),
        )  # fmt: skip
    lines = [
        f"{member.name}: {member.epochs} epochs, validation accuracy {member.valid_accuracy:.4f}, run {member.run}"
        for member in (*family.teachers, *family.students)
    ]
    emit({**family.to_dict(), "warnings": list(dataset.warnings)}, as_json, "\n".join(lines))


@commands.command("teach")
def teach_classes(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A folder with one folder per class, which has a folder of photos or a clip for each take; or a zip of takes."
        ),
    ],
    name: Annotated[str, typer.Option("--output", "-o", help="Name of the model and its takes.")],
    model: Annotated[
        str | None, typer.Option("--model", help="The network whose features are used. [compact-people]")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace takes of this name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a model your own classes from takes: photos or clips of one expression, each in another light or place.

    The takes and the model stay in the workspace; use the model by its name, e.g. predict PHOTO --model NAME.
    """
    from fer_core.faces import FaceDetector
    from fer_core.inference import Classifier, default_model
    from fer_core.teach import import_source, teach

    classifier = Classifier.load(model or default_model(), workspace=workspace())
    with stop_on_interrupt("Stopping.") as stop_asked:
        with progress("Finding faces") as bar:
            store = import_source(
                folder, workspace(), name, FaceDetector(), replace=replace, progress=bar, stop=stop_asked
            )
        with progress("Training") as bar:
            taught = teach(store, classifier, workspace(), progress=bar, stop=stop_asked)
    emit(taught.to_dict(), as_json, _taught_text(taught))


def _taught_text(taught: Taught) -> str:
    left_out, random = taught.leave_one_take_out, taught.random_frames
    rows = [[count.name, f"{count.takes:,}", f"{count.faces:,}"] for count in taught.per_class]
    rows.append(["all", f"{taught.takes:,}", f"{taught.faces:,}"])
    lines = [table(["", "takes", "faces"], rows, total=True), ""]
    if taught.left_out:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in taught.left_out.items())
        lines.append(f"Pictures left out: {reasons}.")
    if left_out.accuracy is None:
        lines.append("Leave-one-take-out: none yet; every class has one take.")
    else:
        lines.append(
            f"Leave-one-take-out: {percent_with_interval(left_out.accuracy, left_out.ci95)} (95% interval over "
            f"{left_out.takes:,} takes, n = {left_out.faces:,} faces)."
        )
    if random.accuracy is not None:
        lines.append(f"Random frames: {percent(random.accuracy)}. {taught.why_they_differ}")
    lines += [*taught.advice, *taught.notes]
    lines.append(f"Trained in {taught.seconds:.1f} s: {taught.model}; use it as --model {taught.name}.")
    return "\n".join(lines)


def _train_summary(result: Any) -> str:
    record = result.to_dict()
    lines = [f"Run {record['run']} {record['state']} after {record['epochs']} epochs."]
    if record["valid"]:
        kind = "'validation' (trained on!)" if result.config.protocol == "leaky" else "validation"
        lines.append(f"Best epoch {record['best_epoch']}: {kind} accuracy {record['valid']['accuracy']:.4f}.")
    for target, output in record.get("outputs", {}).items():
        found = output["valid"]
        lines.append(f"{target}: {found['accuracy']:.4f} (n = {found['n']:,}), the model {output['model']}.")
    if "honest" in record:
        low, high = record["honest"]["accuracy_ci95"]
        lines.append(
            f"Leak-free accuracy {record['honest']['accuracy']:.4f} (95% interval {low:.3f}–{high:.3f}, "
            f"n = {record['honest']['n']:,}). {record['honest']['why']}"
        )
    if "test" in record:
        low, high = record["test"]["accuracy_ci95"]
        lines.append(f"Test accuracy {record['test']['accuracy']:.4f} (95% interval {low:.3f}–{high:.3f}).")
    return "\n".join(lines)
