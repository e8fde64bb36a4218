"""What a lab report is made from: a run's settings, epochs, weights, faces and predictions, as far as they are there."""

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
"""What a trainer may have left predictions of."""


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything at hand; what is missing is None, and ``gaps`` says why.

    Attributes:
        run, config, state, records: what the run directory says.
        network: with the best weights, or with random ones where there are none yet.
        classifier: the best weights, ready to use.
        dataset: with the labels the run was trained on.
        split: the run's own choice of faces.
        predictions: of the best weights, by name of the split.
        evaluated_now: whether the predictions were made for this report.
        gaps: why something is missing, by its name: ``weights``, ``data``, ``predictions``.
        workspace: whose cache keeps what is computed for the report.
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
        """Whether the validation faces were trained on."""
        return self.config.protocol == "leaky"

    @property
    def headline(self) -> str | None:
        """The split whose figure counts: test where it was evaluated, else honest, else validation."""
        order = ("test", "honest") if self.leaky else ("test", "valid")
        return next((name for name in order if name in self.predictions), None)

    def evaluation(self, name: str) -> Evaluation:
        """The figures on one split."""
        return Evaluation.of(self.predictions[name], name)

    def positions(self, name: str) -> Ints | None:
        """Where a split's faces stand in the data set; None where the predictions are of other faces."""
        if self.dataset is None or self.split is None:
            return None
        places = split_positions(self.dataset, self.split, name)
        if places is not None and self.config.targets != "labels":  # of the test split those that have a majority
            places = places[np.isin(self.dataset.ids[places], self.predictions[name].ids)]
        if places is None or not np.array_equal(self.dataset.ids[places], self.predictions[name].ids):
            return None
        return places

    def require_faces(self) -> tuple[Classifier, FaceDataset]:
        """The weights and the data set.

        Raises:
            FerError: one of them is missing; the sentence says why.
        """
        classifier = self.require_weights()
        if self.dataset is None:
            raise FerError(self.gaps["data"])
        return classifier, self.dataset

    def require_weights(self) -> Classifier:
        """The best weights.

        Raises:
            FerError: there are none yet.
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
    """Read what a run left, load its faces, and evaluate its weights where that was not done.

    Args:
        run: any run that can be opened, also one that is still training.
        data: where its faces lie now; the place in its settings when None.
        workspace: for the cache of parsed data.
        on_progress: called with (done, total) faces while they load.

    Raises:
        RunError: the run's settings cannot be read.
        ModelError: its architecture is unknown here.
    """
    from fer_core.models import build

    config, gaps = run.config, {}
    classifier = None
    try:
        classifier = Classifier.load(run.path, workspace=workspace)
    except FerError as error:
        missing = not (run.path / "best.safetensors").is_file()
        gaps["weights"] = "The run has no weights yet: its first epoch is not finished." if missing else str(error)
    network = classifier.model if classifier else build(config.model, **config.model_args)
    dataset, split = None, None
    try:
        dataset, split = _faces(config, classifier, data, workspace, on_progress)
    except FerError as error:
        gaps["data"] = f"The faces are missing: {error}"
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
        gaps.setdefault("predictions", gaps.get("weights") or gaps.get("data") or "The run was not evaluated.")
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
            f"{dataset.name} is not the data this run was trained on (content {dataset.fingerprint[:12]}…, "
            f"expected {expected[:12]}…). Give the right one with --data."
        )
    split = make_split(dataset, config.protocol, config.holdout_share, config.seed)
    cleaning = Cleaning(config.drop_duplicates, config.drop_blank, config.use_marks)
    if cleaning:
        dataset, split = clean_split(dataset, split, cleaning, workspace)
    return (dataset, split) if config.targets == "labels" else _by_votes(dataset, split, config)


def _by_votes(dataset: FaceDataset, split: ProtocolSplit, config: TrainConfig) -> tuple[FaceDataset, ProtocolSplit]:
    """The faces as the output for people's votes is judged on them: with the majority for a label."""
    outputs = make_outputs(dataset, "votes")
    split, _ = split_for_targets(dataset, split, outputs, config)
    # faces without a majority have no label; they train, and none of them is shown
    labels = np.maximum(outputs[0].truth, 0)
    return replace(dataset, classes=outputs[0].classes, labels=labels, truth="votes", as_labeled=dataset), split


def split_positions(dataset: FaceDataset, split: ProtocolSplit, name: str) -> Ints | None:
    """The faces a trainer evaluates under this name; None where the protocol has none."""
    if name == "test":
        return np.flatnonzero(dataset.split == "test")
    return split.leak_free if name == "honest" else split.valid


def _predict(classifier: Classifier, dataset: FaceDataset, split: ProtocolSplit) -> dict[str, Predictions]:
    """As at the end of a training, but for the test split: that is read only when somebody asked for it."""
    parts = {name: split_positions(dataset, split, name) for name in ("valid", "honest")}
    return {
        name: predict_indices(classifier, dataset, places) for name, places in parts.items() if places is not None
    }  # fmt: skip


def repeat_command(config: TrainConfig) -> str:
    """The command that trains with these settings again; of the data only the name, since places differ."""
    source = config.data if config.data.partition(":")[0] == "synthetic" else Path(config.data).name
    words = ["--data", source, "--model", config.model, "--epochs", str(config.epochs), "--protocol", config.protocol]
    preset = default_preset(config.protocol)
    words += ["--preset", preset]  # without it the number of faces would choose one
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
