"""Data of a lab report: a run's settings, epochs, weights, faces and predictions, as far as available."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_core.config import TrainConfig
from fer_core.data import FaceDataset, make_split
from fer_core.data.cleaning import Cleaning, clean_split
from fer_core.data.protocols import ProtocolSplit
from fer_core.errors import DataError, FerError
from fer_core.evaluation import Evaluation, Predictions, predict_indices
from fer_core.inference import Classifier
from fer_core.presets import default_preset, make_train_config
from fer_core.training.outputs import make_outputs, split_for_targets
from fer_core.training.runs import EpochRecord, Run, State
from fer_core.training.trainer import load_training_data
from fer_core.workspace import Workspace

if TYPE_CHECKING:
    from fer_core.models import ExpressionModel

Ints = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]

EVALUATED = ("valid", "honest", "test")
"""Splits that a run may have stored predictions for."""


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything available about a run; missing parts are None, and ``gaps`` explains why.

    Attributes:
        run, config, state, records: contents of the run directory.
        network: network with the best weights, or random weights if there are none yet.
        classifier: classifier with the best weights.
        dataset: data set with the labels that the run was trained on.
        split: training and validation faces of the run.
        predictions: predictions of the best weights, by split.
        evaluated_now: True if the predictions were computed for this report.
        gaps: reasons for missing parts, by name: ``weights``, ``data``, ``predictions``.
        workspace: workspace with the cache.
    """

    run: Run
    config: TrainConfig
    state: State
    records: list[EpochRecord]
    network: ExpressionModel
    classifier: Classifier | None
    dataset: FaceDataset | None
    split: ProtocolSplit | None
    predictions: dict[str, Predictions]
    evaluated_now: bool
    gaps: dict[str, str]
    workspace: Workspace

    @property
    def leaky(self) -> bool:
        """True if the validation faces were also used for training."""
        return self.config.protocol == "leaky"

    @property
    def headline(self) -> str | None:
        """The split of the headline accuracy: test if evaluated, otherwise leak-free or validation."""
        order = ("test", "honest") if self.leaky else ("test", "valid")
        return next((name for name in order if name in self.predictions), None)

    def evaluation(self, name: str) -> Evaluation:
        """Compute the metrics on one split."""
        return Evaluation.of(self.predictions[name], name)

    def positions(self, name: str) -> Ints | None:
        """Return the positions of a split's faces in the data set; None if the predictions belong to other faces."""
        if self.dataset is None or self.split is None:
            return None
        places = split_positions(self.dataset, self.split, name)
        if places is not None and self.config.targets != "labels":  # keep only faces with a majority of votes
            places = places[np.isin(self.dataset.ids[places], self.predictions[name].ids)]
        if places is None or not np.array_equal(self.dataset.ids[places], self.predictions[name].ids):
            return None
        return places

    def require_faces(self) -> tuple[Classifier, FaceDataset]:
        """Return the classifier and the data set.

        Raises:
            FerError: one of them is missing; the message says why.
        """
        classifier = self.require_weights()
        if self.dataset is None:
            raise FerError(self.gaps["data"])
        return classifier, self.dataset

    def require_weights(self) -> Classifier:
        """Return the classifier.

        Raises:
            FerError: the run has no weights yet.
        """
        if self.classifier is None:
            raise FerError(self.gaps["weights"])
        return self.classifier


def collect(
    run: Run,
    data: str | None = None,
    *,
    workspace: Workspace,
    on_progress: Progress | None = None,
) -> ReportData:
    """Read a run, load its faces, and evaluate its weights if no predictions are stored.

    Args:
        run: any run, including one that is still training.
        data: current location of its faces; the location in its settings if None.
        workspace: workspace with the cache of parsed data.
        on_progress: called with (done, total) faces while loading.

    Raises:
        RunError: the run's settings are unreadable.
        ModelError: its architecture is unknown.
    """
    from fer_core.models import build

    config, gaps = run.config, {}
    classifier = None
    try:
        classifier = Classifier.load(run.path, workspace=workspace)
    except FerError as error:
        missing = not (run.path / "best.safetensors").is_file()
        gaps["weights"] = (
            "The run has no weights yet because its first epoch is not finished." if missing else str(error)
        )
    network = classifier.model if classifier else build(config.model, **config.model_args)
    dataset, split = None, None
    try:
        dataset, split = _faces(config, classifier, data, workspace, on_progress)
    except FerError as error:
        gaps["data"] = f"The faces could not be loaded: {error}"
    predictions = {}
    for name in EVALUATED:
        try:
            predictions[name] = Predictions.read(run.path / f"predictions-{name}.npz")
        except DataError:
            continue
    evaluated_now = False
    if not predictions and classifier and dataset and split:
        try:
            predictions = _predict(classifier, dataset, split)
            evaluated_now = bool(predictions)
        except FerError as error:
            gaps["predictions"] = str(error)
    if not predictions:
        gaps.setdefault("predictions", gaps.get("weights") or gaps.get("data") or "The run has not been evaluated.")
    return ReportData(
        run,
        config,
        run.state,
        run.records(),
        network,
        classifier,
        dataset,
        split,
        predictions,
        evaluated_now,
        gaps,
        workspace,
    )


def _faces(
    config: TrainConfig,
    classifier: Classifier | None,
    data: str | None,
    workspace: Workspace,
    on_progress: Progress | None,
) -> tuple[FaceDataset, ProtocolSplit]:
    here = config.model_copy(update={"data": data or config.data})
    dataset = load_training_data(here, workspace=workspace, on_progress=on_progress)
    expected = classifier.info.data_fingerprint if classifier else ""
    if expected and dataset.fingerprint != expected:
        raise DataError(
            f"{dataset.name} is not the data set this run was trained on (fingerprint {dataset.fingerprint[:12]}…, "
            f"expected {expected[:12]}…). Choose the original one with --data."
        )
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    cleaning = Cleaning(config.drop_duplicates, config.drop_blank, config.use_marks)
    if cleaning:
        dataset, split = clean_split(dataset, split, cleaning, workspace)
    return (dataset, split) if config.targets == "labels" else _by_votes(dataset, split, config)


def _by_votes(dataset: FaceDataset, split: ProtocolSplit, config: TrainConfig) -> tuple[FaceDataset, ProtocolSplit]:
    """Return the faces labeled by majority vote, as used to validate the votes output."""
    outputs = make_outputs(dataset, "votes")
    split, _ = split_for_targets(dataset, split, outputs, config)
    # faces without a majority have no label: they are used for training but never shown
    labels = np.maximum(outputs[0].truth, 0)
    return replace(dataset, classes=outputs[0].classes, labels=labels, truth="votes", as_labeled=dataset), split


def split_positions(dataset: FaceDataset, split: ProtocolSplit, name: str) -> Ints | None:
    """Return the faces that training evaluates under this name; None if the protocol has none."""
    if name == "test":
        return np.flatnonzero(dataset.split == "test")
    return split.leak_free if name == "honest" else split.valid


def _predict(classifier: Classifier, dataset: FaceDataset, split: ProtocolSplit) -> dict[str, Predictions]:
    """Predict all splits except test, which is evaluated only on request."""
    parts = {name: split_positions(dataset, split, name) for name in ("valid", "honest")}
    return {
        name: predict_indices(classifier, dataset, places) for name, places in parts.items() if places is not None
    }  # fmt: skip


def repeat_command(config: TrainConfig) -> str:
    """Return the command that repeats the training; names the data without a path, since paths differ by machine."""
    source = config.data if config.data.partition(":")[0] == "synthetic" else Path(config.data).name
    words = ["--data", source, "--model", config.model, "--epochs", str(config.epochs), "--protocol", config.protocol]
    preset = default_preset(config.protocol)
    words += ["--preset", preset]  # the default preset would depend on the number of faces
    base = make_train_config(preset, protocol=config.protocol).to_dict()
    values = config.to_dict()
    flags = ("evaluate_test", "drop_duplicates", "drop_blank", "use_marks")
    for name, value in values.items():
        if name in ("data", "model", "epochs", "protocol") or value == base[name]:
            continue
        if name == "init_from":
            words += ["--init-from", str(value)]
        elif name in ("classes", "truth"):
            words += [f"--{name}", value]
        elif name == "votes":
            words += ["--votes", Path(value).name]
        elif name == "class_map":
            words += ["--class-map", _json(value)]
        elif name in flags and value:
            words.append(f"--{name.replace('_', '-')}")
        elif name in ("augment", "preprocess"):
            for key, part in value.items():
                if part != base[name][key]:
                    words += ["--set", f"{name}.{key}={_json(part)}"]
        else:
            words += ["--set", f"{name}={_json(value)}"]
    return "python -m fer_core train " + " ".join(shlex.quote(word) for word in words)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
