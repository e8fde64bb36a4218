"""Cache of filter patterns and top faces, keyed by the content of weights, data and settings."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import numpy as np

from fer_core.data import FaceDataset
from fer_core.explanation import filters
from fer_core.explanation.filters import AscentSettings, Patterns, Preview, Progress, Stop, TopFaces
from fer_core.explanation.layers import find_convolution
from fer_core.inference import Classifier
from fer_core.store import Arrays, Entry, Store
from fer_core.workspace import Workspace


def network_key(classifier: Classifier) -> str:
    """Return the SHA-256 of architecture, weights and preprocessing, which determine every activation."""
    info = classifier.info
    digest = hashlib.sha256(f"{info.architecture} {info.model_args} {info.preprocess.model_dump_json()}".encode())
    for name, value in sorted(classifier.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def read_cached_patterns(
    classifier: Classifier,
    layer: str | None = None,
    settings: AscentSettings | None = None,
    *,
    workspace: Workspace,
) -> Patterns | None:
    """Return the cached patterns of all filters of a layer, or None if there are none.

    Raises:
        ModelError: there is no such layer.
    """
    label = find_convolution(classifier.model, layer).label

    def read(entry: Entry) -> Patterns:
        top, left, bottom, right = entry.values["field"]
        arrays = {**entry.arrays, "images": entry.arrays["pictures"]}  # stored entries keep the first version's name
        del arrays["pictures"]
        return Patterns(layer=label, field=(top, left, bottom, right), **arrays)

    return Store(workspace).get("patterns", _patterns_key(classifier, label, settings), read)


def cached_patterns(
    classifier: Classifier,
    layer: str | None = None,
    settings: AscentSettings | None = None,
    *,
    workspace: Workspace,
    on_progress: Progress | None = None,
    on_preview: Preview | None = None,
    should_stop: Stop | None = None,
) -> Patterns:
    """Run :func:`fer_core.explanation.filters.maximize_activation` for all filters of a layer, from the cache if possible."""
    kept = read_cached_patterns(classifier, layer, settings, workspace=workspace)
    if kept is not None:
        return kept
    result = filters.maximize_activation(
        classifier, layer, None, settings, on_progress=on_progress, on_preview=on_preview, should_stop=should_stop
    )
    arrays: Arrays = {
        "filters": result.filters, "pictures": result.images, "curves": result.curves, "responses": result.responses,
        "dead": result.dead,
    }  # fmt: skip
    key = _patterns_key(classifier, result.layer, settings)
    Store(workspace).put("patterns", key, arrays, field=list(result.field))
    return result


def read_cached_top_faces(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str = "valid",
    layer: str | None = None,
    *,
    workspace: Workspace,
) -> TopFaces | None:
    """Return the cached top faces of a layer's filters, or None if there are none.

    Raises:
        ModelError: there is no such layer.
    """
    label = find_convolution(classifier.model, layer).label

    def read(entry: Entry) -> TopFaces:
        h, w = entry.values["side"]
        return TopFaces(layer=label, split=split, n=entry.values["n"], side=(h, w), **entry.arrays)

    return Store(workspace).get("top-faces", _faces_key(classifier, dataset, split, label), read)


def cached_top_faces(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str = "valid",
    layer: str | None = None,
    *,
    workspace: Workspace,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
) -> TopFaces:
    """Run :func:`fer_core.explanation.filters.top_faces`, from the cache if possible."""
    kept = read_cached_top_faces(classifier, dataset, split, layer, workspace=workspace)
    if kept is not None:
        return kept
    result = filters.top_faces(classifier, dataset, split, layer, on_progress=on_progress, should_stop=should_stop)
    arrays: Arrays = {
        "positions": result.positions, "responses": result.responses, "places": result.places, "lowest": result.lowest,
    }  # fmt: skip
    key = _faces_key(classifier, dataset, split, result.layer)
    Store(workspace).put("top-faces", key, arrays, n=result.n, side=list(result.side))
    return result


def _patterns_key(classifier: Classifier, label: str, settings: AscentSettings | None) -> str:
    return f"{network_key(classifier)} {label} {asdict(settings or AscentSettings())}"


def _faces_key(classifier: Classifier, dataset: FaceDataset, split: str, label: str) -> str:
    return f"{network_key(classifier)} {dataset.cache_key} {split} {label}"
