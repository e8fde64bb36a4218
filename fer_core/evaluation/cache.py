"""Cache of predictions and features, keyed by the content of weights and data, so entries are never stale."""

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
    """Return a model's outputs for one whole split, from the cache if possible.

    The faces are those of ``dataset.all_faces``: if its labels are majority votes, faces without a majority are
    included. Changing ``sensitivity`` (default: the model's own) needs no inference: the cache holds raw logits.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: there is no such model.
        ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
    """
    path = resolve_model(model, workspace)
    store = Store(workspace)
    dataset.indices(split)  # raises if the split has no labeled face, even if it has unlabeled ones
    faces = dataset.all_faces
    info = read_info(path)
    key = f"{weights_key(path, info)} {faces.cache_key} {split} {tta}"
    indices = faces.indices(split)
    adjustment = Adjustment.of(info, sensitivity)  # raises before the expensive inference

    def read(entry: Entry) -> npt.NDArray[np.float32]:
        logits = entry.arrays["logits"]
        if not np.array_equal(entry.arrays["ids"], faces.ids[indices]):
            raise DataError("outputs for different faces")
        if logits.shape != (len(indices), len(info.labels)) or logits.dtype != np.float32:
            raise DataError("outputs of a different model")
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
    """Return predictions for all faces of a split whose class the model has, see :func:`cached_outputs`.

    The labels are the data set's own; use :func:`fer_core.evaluation.cells.cleaned_predictions` to apply marks.

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
    """Nearest neighbors of a face: positions int64 (k,) and cosine similarities float32 (k,), most similar first."""

    positions: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]


def training_features(
    model: str | Path,
    dataset: FaceDataset,
    *,
    workspace: Workspace,
    on_progress: Progress | None = None,
) -> npt.NDArray[np.float32]:
    """Return the unit-length penultimate features of the training faces, float32 (n, D), from the cache if possible."""
    path = resolve_model(model, workspace)
    store = Store(workspace)
    key = f"{weights_key(path, read_info(path))} {dataset.cache_key}"
    indices = dataset.indices("train")

    def read(entry: Entry) -> npt.NDArray[np.float32]:
        found = entry.arrays["features"]
        if found.dtype != np.float32 or found.ndim != 2 or len(found) != len(indices):
            raise DataError("features of different faces")
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
    """Find the training faces with the highest cosine similarity of penultimate features.

    Args:
        classifier: the classifier that computed the features.
        face: uint8 (48, 48).
        dataset: the data set that the positions refer to.
        features: from :func:`training_features`.
        count: number of neighbors.
    """
    query = _unit(classifier.features(face))[0]
    similarity = features @ query
    best = np.argsort(-similarity, kind="stable")[:count]
    return Neighbors(dataset.indices("train")[best], similarity[best].astype(np.float32))


def _unit(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norms = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return np.asarray(features / norms, dtype=np.float32)
