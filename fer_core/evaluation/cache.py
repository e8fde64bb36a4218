"""Predictions and features kept by content: (weights, data, split, flip averaging). A stale answer cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_core.data import FaceDataset
from fer_core.errors import DataError
from fer_core.evaluation.evaluate import Outputs, Predictions, Tta, model_outputs
from fer_core.evaluation.matching import ExtraClasses, match_classes
from fer_core.inference import Classifier, read_info, resolve_model
from fer_core.inference.classifier import Progress
from fer_core.inference.engines import weights_key
from fer_core.inference.sensitivity import Adjustment
from fer_core.store import Entry, Store
from fer_core.workspace import Workspace


def cached_outputs(
    model: str | Path,
    dataset: FaceDataset,
    split: str,
    tta: Tta = "none",
    *,
    sensitivity: float | None = None,
    workspace: Workspace,
    on_progress: Progress | None = None,
) -> Outputs:
    """Outputs of a model for one whole split, in its own classes; computed once for each content.

    The faces are those of ``dataset.all_faces``: where its labels are the majority of people's votes, those without
    one are there too. Another ``sensitivity`` (the model's own when None) costs nothing: raw logits are kept.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: there is no such model.
        ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
    """
    path = resolve_model(model, workspace)
    store = Store(workspace)
    dataset.indices(split)  # refused where it has none, though all faces may
    faces = dataset.all_faces
    info = read_info(path)
    key = f"{weights_key(path, info)} {faces.cache_key} {split} {tta}"
    indices = faces.indices(split)
    adjustment = Adjustment.of(info, sensitivity)  # refused before the work

    def read(entry: Entry) -> npt.NDArray[np.float32]:
        logits = entry.arrays["logits"]
        if not np.array_equal(entry.arrays["ids"], faces.ids[indices]):
            raise DataError("outputs for other faces")
        if logits.shape != (len(indices), len(info.labels)) or logits.dtype != np.float32:
            raise DataError("outputs of another model")
        return logits

    logits = store.get("predictions", key, read)
    if logits is None:
        classifier = Classifier.from_file(path, workspace=workspace)
        logits = model_outputs(classifier, faces, indices, tta, on_progress).logits
        store.put("predictions", key, {"ids": faces.ids[indices], "logits": logits})
    return Outputs(faces.ids[indices], logits, info.classes, adjustment)


def cached_predictions(
    model: str | Path,
    dataset: FaceDataset,
    split: str,
    tta: Tta = "none",
    extra: ExtraClasses = "count",
    *,
    sensitivity: float | None = None,
    workspace: Workspace,
    on_progress: Progress | None = None,
) -> Predictions:
    """Predictions for those faces of a whole split whose class the model knows, see :func:`cached_outputs`.

    Labels are the data set's own: :func:`fer_core.evaluation.cells.cleaned_predictions` applies marks.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: there is no such model, or model and data have no class in common.
    """
    outputs = cached_outputs(
        model, dataset, split, tta, sensitivity=sensitivity, workspace=workspace, on_progress=on_progress
    )
    match = match_classes(outputs.classes, dataset.classes, extra)
    indices = dataset.indices(split)
    return outputs.of_faces(dataset.ids[indices]).predictions(match, dataset.labels[indices])


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Nearest faces to one face: positions int64 (k,), cosine similarities float32 (k,), most similar first."""

    positions: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]


def training_features(
    model: str | Path,
    dataset: FaceDataset,
    *,
    workspace: Workspace,
    on_progress: Progress | None = None,
) -> npt.NDArray[np.float32]:
    """Penultimate features of the train split, each of length 1, float32 (n, D); computed once for each content."""
    path = resolve_model(model, workspace)
    store = Store(workspace)
    key = f"{weights_key(path, read_info(path))} {dataset.cache_key}"
    indices = dataset.indices("train")

    def read(entry: Entry) -> npt.NDArray[np.float32]:
        found = entry.arrays["features"]
        if found.dtype != np.float32 or found.ndim != 2 or len(found) != len(indices):
            raise DataError("features of other faces")
        return found

    features = store.get("features", key, read)
    if features is None:
        features = _unit(Classifier.from_file(path).features(dataset.images[indices], on_progress=on_progress))
        store.put("features", key, {"features": features})
    return features


def nearest_training_faces(
    classifier: Classifier,
    face: npt.NDArray[np.uint8],
    dataset: FaceDataset,
    features: npt.NDArray[np.float32],
    count: int = 8,
) -> Neighbors:
    """The training faces whose penultimate features point the same way.

    Args:
        classifier: the one the features were made with.
        face: uint8 (48, 48).
        dataset: where the positions point into.
        features: from :func:`training_features`.
        count: how many.
    """
    query = _unit(classifier.features(face))[0]
    similarity = features @ query
    best = np.argsort(-similarity, kind="stable")[:count]
    return Neighbors(dataset.indices("train")[best], similarity[best].astype(np.float32))


def _unit(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norms = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return np.asarray(features / norms, dtype=np.float32)
