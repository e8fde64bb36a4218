"""``train``: prepares a training, runs its epochs, writes the run directory and evaluates the best weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, ProtocolSplit, make_split
from fer_core.data.cleaning import Cleaning, clean_split
from fer_core.data.reading import Reading
from fer_core.errors import FerError, TrainingError
from fer_core.evaluation import Evaluation, wilson_interval
from fer_core.evaluation.calibration import fit_table, fit_temperature
from fer_core.inference import Classifier, load_checkpoint
from fer_core.training.device import choose_compute, library_versions
from fer_core.training.distributed.processes import Processes, digest
from fer_core.training.loop import Progress, Training, torch_settings
from fer_core.training.outputs import make_outputs
from fer_core.training.pretrained import initial_weights, load_teachers
from fer_core.training.run_writer import RunWriter
from fer_core.training.runs import (
    EpochRecord,
    Run,
    Status,
    absolute_source,
    best_record,
    create_run,
    find_launched,
    only_training,
    refuse_if_busy,
    with_absolute_paths,
)
from fer_core.training.step.distillation import ViewCache
from fer_core.workspace import Workspace, script_workspace, write_advice


@dataclass(frozen=True)
class Hooks:
    """Optional callbacks, called in the thread that trains."""

    on_load: Callable[[int, int], None] | None = None
    on_step: Callable[[Status], None] | None = None
    on_epoch: Callable[[EpochRecord], None] | None = None
    should_stop: Callable[[], bool] | None = None
    on_warning: Callable[[str], None] | None = None
    """Called with each warning of the data set, after it was loaded here."""


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a training."""

    run: Run
    config: TrainConfig
    classes: tuple[str, ...]
    state: str
    records: list[EpochRecord]
    test: Evaluation | None
    environment: dict[str, Any]
    honest_n: int | None
    valid_n: int
    valid_n_by_output: dict[str, int]
    processes: int
    faces_per_step: dict[str, Any]

    @property
    def best(self) -> EpochRecord | None:
        """The epoch whose weights were kept."""
        return best_record(self.records)

    def to_dict(self) -> dict[str, Any]:
        """Return the command line's JSON document, with the metrics of the best epoch."""
        best = self.best
        result: dict[str, Any] = {
            "run": self.run.id,
            "state": self.state,
            "protocol": self.config.protocol,
            "targets": self.config.targets,
            "classes": list(self.classes),
            "epochs": len(self.records),
            "best_epoch": best.epoch if best else None,
            "train": {"loss": best.train_loss, "accuracy": best.train_accuracy} if best else None,
            "valid": {"loss": best.valid_loss, "accuracy": best.valid_accuracy, "n": self.valid_n} if best else None,
            "images_per_second": self.records[-1].images_per_second if self.records else None,
            "device": self.environment.get("device_name"),
            "precision": self.environment.get("precision"),
            "processes": self.processes,
            "faces_per_step": self.faces_per_step,
            "warnings": list(self.environment.get("data_warnings", ())),
        }
        if best and best.outputs:
            result["outputs"] = {
                target: {
                    "model": f"{self.run.id}:{target}",
                    "valid": {"loss": o.valid_loss, "accuracy": o.valid_accuracy, "n": self.valid_n_by_output[target]},
                }
                for target, o in best.outputs.items()
            }
        if best and best.honest_accuracy is not None and self.honest_n:
            hits = round(best.honest_accuracy * self.honest_n)
            result["honest"] = result["leak_free"] = {
                "loss": best.honest_loss,
                "accuracy": best.honest_accuracy,
                "accuracy_ci95": list(wilson_interval(hits, self.honest_n)),
                "n": self.honest_n,
                "why": LEAK_EXPLANATION,
            }
        if self.test:
            result["test"] = self.test.to_dict()
        return result


LEAK_EXPLANATION = (
    "This protocol also trains on its validation faces, so validation accuracy measures memorization. "
    "The leak-free accuracy is measured on faces the network never saw, without duplicates of training faces."
)


def train(
    config: TrainConfig,
    *,
    name: str | None = None,
    run: Run | None = None,
    data: str | None = None,
    dataset: FaceDataset | None = None,
    workspace: Workspace | None = None,
    hooks: Hooks | None = None,
    views: ViewCache | None = None,
    processes: Processes | None = None,
) -> TrainResult:
    """Train a network, or resume a run from its ``last.ckpt``.

    Under ``torchrun``, process 0 calls this function and the others :func:`follow`. A restarted command continues its run.

    Args:
        config: the settings; an existing run keeps its own.
        name: the name of the run.
        run: a run from :func:`fer_core.training.runs.create_run` to train or resume; None creates one.
        data: where the data of ``run`` is now, if it was moved; its fingerprint must be the same.
        dataset: the faces, if they are already loaded; otherwise ``config.data`` is loaded. Its class map becomes part
            of a new run's settings.
        workspace: where to write; None uses :func:`script_workspace`.
        hooks: callbacks for progress and stopping.
        views: cached views to share between successive trainings with the same teachers.
        processes: the processes that share this training; None trains in this one alone.

    Raises:
        BusyError: another training is running in the workspace.
        DataError, ModelError, ConfigError: the input is invalid; nothing was written.
        TrainingError: the loss is not finite, the disk is full, or another process of the training was lost.
        RunError: the run cannot be resumed.
    """
    workspace = script_workspace(workspace)
    hooks = hooks or Hooks()
    if run is None and processes is not None:
        config = _with_class_map(config, dataset)
        run = find_launched(config, processes.launch.to_dict(), workspace)
    if run is None:
        refuse_if_busy(workspace)
        config = with_absolute_paths(_with_class_map(config, dataset))
        # raises before anything is written
        prepared = _prepare(config, dataset, workspace, hooks, threads=0, views=views, processes=processes)
        run = create_run(config, name, workspace=workspace, launch=processes.launch.to_dict() if processes else None)
    else:
        config = run.config if data is None else run.config.model_copy(update={"data": absolute_source(data)})
        prepared = None
    with only_training(workspace, run, f"The run '{run.label.name}'"):
        writer = RunWriter(run, config)
        try:
            with processes.losses_explained() if processes else nullcontext():
                if prepared is None:
                    threads = _threads_before(run) if processes is None or processes.group.alone else 0
                    prepared = _prepare(config, dataset, workspace, hooks, threads, views, processes)
                writer.start(prepared.training, prepared.notes)
                if processes is not None:
                    processes.share_state(prepared.training)
                return _train(run, config, prepared, writer, hooks)
        except FerError as error:
            writer.fail(str(error))
            raise
        except KeyboardInterrupt:
            writer.fail("Interrupted from the keyboard; at most the current epoch is lost.", state="stopped")
            raise
        except OSError as error:
            advice = write_advice(error) or "Fix the cause."
            message = f"Writing to the run failed ({error.strerror or error}). {advice} Then resume the run."
            writer.fail(message)
            raise TrainingError(message) from error
        except BaseException as error:
            writer.fail(f"Internal error: {type(error).__name__}: {error}")
            raise


def follow(
    config: TrainConfig | None,
    processes: Processes,
    *,
    workspace: Workspace,
    dataset: FaceDataset | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> None:
    """Take part in the training that process 0 carries out with :func:`train`, without writing anything of the run.

    Args:
        config: the settings; None takes those of process 0, which resumes a run.
        processes: the processes of the training.
        workspace: where the cache is.
        dataset: the faces, if they are already loaded.
        should_stop: called after each step; all processes stop when it returns True in any of them.

    Raises:
        FerError: as :func:`train`.
    """
    if config is not None:
        config = with_absolute_paths(_with_class_map(config, dataset))
    prepared = _prepare(processes.settings(config), dataset, workspace, Hooks(), 0, processes=processes)
    training = prepared.training
    processes.share_state(training)
    with torch_settings(training.compute):
        stop = training.group.agreed(should_stop)
        while not training.finished:
            if training.run_epoch(None, should_stop) is None or (stop and stop() and not training.finished):
                return


def _with_class_map(config: TrainConfig, dataset: FaceDataset | None) -> TrainConfig:
    """Return the settings with the class map of faces that are already loaded."""
    if dataset is None:
        return config
    return TrainConfig.parse({**config.to_dict(), "truth": dataset.truth, "class_map": dataset.class_map})


@dataclass(frozen=True)
class _Prepared:
    """The validated input of a training.

    Attributes:
        dataset: the faces, with corrected labels if marks are used.
        training: the training, ready for its first epoch or to be restored from a checkpoint.
        notes: sentences for the run's log.
    """

    dataset: FaceDataset
    training: Training
    notes: tuple[str, ...]


def _prepare(
    config: TrainConfig,
    dataset: FaceDataset | None,
    workspace: Workspace,
    hooks: Hooks,
    threads: int,
    views: ViewCache | None = None,
    processes: Processes | None = None,
) -> _Prepared:
    if processes is not None and processes.first:
        processes.settings(config)
    compute = choose_compute(config, threads, processes.launch.local_size if processes else 1)
    if dataset is None:
        with processes.in_turn() if processes else nullcontext():
            dataset = load_training_data(config, workspace=workspace, on_progress=hooks.on_load)
        if hooks.on_warning is not None:
            for warning in dataset.warnings:
                hooks.on_warning(warning)
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    notes = [*dataset.warnings, *([split.warning] if split.warning else [])]
    cleaning = Cleaning(config.drop_duplicates, config.drop_blank, config.use_marks)
    if cleaning:
        dataset, split = clean_split(dataset, split, cleaning, workspace)
    if len(split.train) < config.batch_size:
        notes.append(
            f"There are only {len(split.train):,} training faces, fewer than one batch of {config.batch_size:,}, "
            "so each epoch is a single step."
        )
    if config.evaluate_test:
        dataset.indices("test")
    outputs = make_outputs(dataset, config.targets)
    weights = None
    if config.init_from:
        weights, note = initial_weights(config, outputs, workspace)
        notes.append(note)
    teachers, teacher_outputs = load_teachers(config, dataset, outputs, workspace)
    if processes is not None:
        processes.begin(config, compute, _loaded(dataset, split, teachers))
    group = processes.group if processes else None
    with torch_settings(compute):
        training = Training(config, dataset, split, compute, weights, teachers, teacher_outputs, views, group)
    return _Prepared(dataset, training, (*notes, *training.notes))


def _loaded(dataset: FaceDataset, split: ProtocolSplit, teachers: Sequence[torch.nn.Module]) -> dict[str, str]:
    """Return hashes of everything that the processes of a training must have in common beside the settings."""
    votes = b"" if dataset.votes is None else dataset.votes.tobytes()
    weights = [value.cpu().numpy().tobytes() for teacher in teachers for value in teacher.state_dict().values()]
    return {
        "data": digest(dataset.cache_key.encode(), dataset.labels.tobytes(), votes),
        "split": digest(split.train.tobytes(), split.valid.tobytes()),
        "teachers": digest(*weights),
    }


def load_training_data(
    config: TrainConfig, *, workspace: Workspace, on_progress: Callable[[int, int], None] | None = None
) -> FaceDataset:
    """Load the faces of a training with the classes its settings define.

    Raises:
        DataError: as :func:`fer_core.data.load`.
    """
    return Reading.of(config.to_dict()).load(config.data, workspace=workspace, on_progress=on_progress)


def _threads_before(run: Run) -> int:
    """Return the number of threads the run started with, so that resuming reproduces it; 0 for a new run."""
    threads = run.environment().get("threads", 0)
    return threads if isinstance(threads, int) and 0 < threads <= 256 else 0


def _train(run: Run, config: TrainConfig, prepared: _Prepared, writer: RunWriter, hooks: Hooks) -> TrainResult:
    dataset, training = prepared.dataset, prepared.training
    compute, split = training.compute, training.split
    environment = {
        **compute.to_dict(),
        "versions": library_versions(),
        "data": dataset.name,
        "data_warnings": list(dataset.warnings),
        "processes": training.group.size,
        "faces_per_step": training.group.faces_per_step(training.batch_size),
    }
    writer.environment(environment)
    origin = {
        "protocol": config.protocol,
        "data_name": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "config": config.to_dict(),
        "run": run.id,
        "versions": environment["versions"],
        "truth": dataset.truth,
        "class_map": dataset.class_map,
    }
    with torch_settings(compute):
        state = _run_epochs(training, origin, writer, hooks)
        test = _evaluate_best(dataset, training, writer) if state == "finished" else None
    writer.write_status(force=True, state=state, seconds_left=None, error=None)
    return TrainResult(
        run,
        config,
        training.outputs[0].classes.names,
        state,
        training.records(),
        test,
        environment,
        len(split.leak_free) if split.leak_free is not None else None,
        len(split.valid),
        {output.target: len(output.with_truth(split.valid)) for output in training.outputs},
        environment["processes"],
        environment["faces_per_step"],
    )


def _run_epochs(
    training: Training, origin: dict[str, Any], writer: RunWriter, hooks: Hooks
) -> Literal["finished", "stopped"]:
    """Train until the last epoch or a stop request, writing every epoch.

    Args:
        training: the training, new or restored.
        origin: the fields of a checkpoint's record that describe where it comes from.
        writer: the writer of the run.
        hooks: callbacks.
    """

    def should_stop() -> bool:
        return writer.run.stop_requested or bool(hooks.should_stop and hooks.should_stop())

    def on_step(p: Progress, rate: float) -> None:
        speed = p.seen / p.seconds
        steps_left = training.total_steps - p.epoch * training.steps_per_epoch - p.step
        writer.write_status(
            epoch=p.epoch,
            step=p.step,
            steps_per_epoch=training.steps_per_epoch,
            images_per_second=speed,
            seconds_left=steps_left * training.batch_size / speed,
            learning_rate=rate,
            train_loss=p.loss_sum / p.seen,
            train_accuracy=p.correct / p.seen,
        )
        if hooks.on_step:
            hooks.on_step(writer.status)

    step_note, all_stop = "", training.group.agreed(should_stop)
    while not training.finished:
        record = training.run_epoch(on_step, should_stop)
        if training.step_note != step_note:  # known only once a step has run
            step_note = training.step_note
            writer.log(f"Note: {step_note}")
        if record is not None:
            if best_record(training.records()) == record:
                writer.best(training, origin, record)
            writer.checkpoint(training, force=training.finished)
            writer.epoch(record)
            writer.write_status(force=True, epoch=record.epoch, step=0)
            if hooks.on_epoch:
                hooks.on_epoch(record)
        if record is None or (all_stop and all_stop() and not training.finished):
            writer.checkpoint(training)
            return "stopped"
    return "finished"


def _evaluate_best(dataset: FaceDataset, training: Training, writer: RunWriter) -> Evaluation | None:
    """Calibrate the best weights on the validation faces, then evaluate them and save their predictions.

    The test split is used only if the settings ask for it; returns the default output's test figures, or None.
    """
    parts = {"valid": training.split.valid}
    if training.split.leak_free is not None:
        parts["honest"] = training.split.leak_free
    if training.config.evaluate_test:
        parts["test"] = dataset.indices("test")
    tests = []
    for output in training.outputs:
        model, info = load_checkpoint(writer.best_path(output))
        classifier = Classifier(model, info, training.compute.device)
        on_valid = output.predict(classifier, dataset, parts["valid"])
        table = fit_table(on_valid.logits, on_valid.labels, info.prior) if info.prior else ()
        temperature = table[0].temperature if table else fit_temperature(on_valid.logits, on_valid.labels)
        info = info.model_copy(update={"temperature": temperature, "calibration": table})
        writer.calibrated(output, model.state_dict(), info)
        classifier = Classifier(model, info, training.compute.device)
        for name, faces in parts.items():
            evaluation = writer.evaluation(name, output, output.predict(classifier, dataset, faces))
            if name == "test":
                tests.append(evaluation)
    return tests[0] if tests else None
