"""Confusion matrix views: normalization, class order, and the faces of a cell."""

from __future__ import annotations

import csv
import io
from typing import Literal

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.data import FaceDataset
from fer_core.data.class_map import apply_class_map
from fer_core.data.cleaning import Cleaning, clean_indices
from fer_core.errors import DataError
from fer_core.evaluation.agreement import RatedPredictions
from fer_core.evaluation.evaluate import MatchedPredictions, Outputs, Predictions, known_faces
from fer_core.evaluation.matching import ClassMatch, ExtraClasses, match_classes
from fer_core.evaluation.metrics import cross_entropy_each
from fer_core.formatting import csv_cell
from fer_core.workspace import Workspace

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MatrixView = Literal["counts", "rows", "columns"]
FaceOrder = Literal["confidence", "loss", "disagreement"]


def normalize_confusion(confusion: npt.NDArray[np.generic], view: MatrixView) -> Floats:
    """Normalize a confusion matrix by row (recall) or column (precision); empty rows and columns stay zero.

    ``confusion`` is (C, C) with true classes as rows; returns float64 (C, C).
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if view == "counts":
        return counts
    totals = counts.sum(axis=1 if view == "rows" else 0, keepdims=True)
    return np.asarray(np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0), dtype=np.float64)


def order_by_recall(confusion: Ints) -> list[int]:
    """Return class indices by ascending recall; classes without faces come last."""
    shares = np.diag(normalize_confusion(confusion, "rows"))
    empty = np.asarray(confusion).sum(axis=1) == 0
    return [int(i) for i in np.lexsort((shares, empty))]


def most_confused_cell(confusion: Ints) -> tuple[int, int] | None:
    """Return the off-diagonal cell with the largest share of its row as (true, predicted), or None without errors."""
    shares = normalize_confusion(confusion, "rows")
    np.fill_diagonal(shares, 0)
    if not shares.any():
        return None
    row, column = np.unravel_index(int(shares.argmax()), shares.shape)
    return int(row), int(column)


def matrix_csv(confusion: npt.NDArray[np.generic], classes: ClassList) -> str:
    """Return the matrix as csv with true classes as rows and predicted classes as columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [csv_cell(name) for name in classes]
    writer.writerow(["true \\ predicted", *names])
    for name, row in zip(names, np.asarray(confusion).tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def disagreement(predictions: Predictions, votes: Ints | None) -> Floats:
    """Compute the distance between predicted probabilities and human votes, float64 (n,) in 0…1.

    This is the total variation distance ½ Σ |p_k − q_k| between probabilities p and vote shares q. For faces without
    votes, q is the one-hot label.

    Args:
        predictions: predictions for n faces.
        votes: votes for ``predictions.classes`` on the same faces, int64 (n, C), or None.
    """
    people = np.eye(len(predictions.classes))[predictions.labels]
    if votes is not None:
        counts = votes.astype(np.float64)
        voted = counts.sum(axis=1) > 0
        people[voted] = counts[voted] / counts[voted].sum(axis=1, keepdims=True)
    return np.asarray(np.abs(predictions.probabilities - people).sum(axis=1) / 2, dtype=np.float64)


def rank(predictions: Predictions, faces: Ints, order: FaceOrder, votes: Ints | None = None) -> tuple[Ints, Floats]:
    """Sort faces by a score, descending, and return them with their scores.

    Args:
        predictions: predictions for n faces.
        faces: positions of the faces to sort, int64 (m,).
        order: ``confidence`` (top probability), ``loss`` (−ln p of the label, in nats) or ``disagreement``.
        votes: votes for ``predictions.classes`` on the n faces, int64 (n, C), or None.

    Returns:
        ``faces`` in stable sorted order, and their scores, float64 (m,).
    """
    if order == "confidence":
        values = predictions.probabilities.max(axis=1).astype(np.float64)
    elif order == "loss":
        values = cross_entropy_each(predictions.logits / predictions.temperature, predictions.labels)
    else:
        values = disagreement(predictions, votes)
    place = np.argsort(-values[faces], kind="stable")
    return faces[place], values[faces][place]


def cell_faces(predictions: Predictions, true: int, predicted: int) -> Ints:
    """Return the positions in ``predictions`` of the faces of one cell, int64 (m,)."""
    return np.flatnonzero((predictions.labels == true) & (predictions.predicted == predicted))


def cleaned_predictions(
    outputs: Outputs,
    dataset: FaceDataset,
    split: str,
    cleaning: Cleaning | None = None,
    extra: ExtraClasses = "count",
    *,
    workspace: Workspace,
) -> MatchedPredictions:
    """Turn a model's outputs for a whole split into predictions after cleaning, without running the model.

    ``outputs`` must cover the split of ``dataset.all_faces``. ``cleaning`` excludes faces and corrects labels; faces
    whose class the model lacks are excluded too.

    Raises:
        DataError: the outputs belong to other faces, no face is left, or the marks file is damaged.
        ModelError: model and data have no class in common.
    """
    faces = dataset.all_faces
    if not np.array_equal(outputs.ids, faces.ids[faces.indices(split)]):
        raise DataError("These predictions belong to other faces. Evaluate again.")
    match = match_classes(outputs.classes, dataset.classes, extra)
    cleaned, kept = clean_indices(dataset, split, cleaning or Cleaning(), workspace)
    excluded = match.excluded_counts(cleaned.labels[kept])
    kept = known_faces(match, cleaned, kept)
    predictions = outputs.of_faces(cleaned.ids[kept]).predictions(match, cleaned.labels[kept])
    rated = _rated_predictions(outputs, match, dataset, split, cleaning, workspace)
    return MatchedPredictions(
        cleaned,
        kept,
        predictions,
        match,
        excluded,
        outputs.adjustment.sensitivity,
        outputs.adjustment.abstain_below,
        rated,
    )


def _rated_predictions(
    outputs: Outputs,
    match: ClassMatch,
    dataset: FaceDataset,
    split: str,
    cleaning: Cleaning | None,
    workspace: Workspace,
) -> RatedPredictions | None:
    """Return predictions for all rated faces of a split, or None if it has none."""
    faces = _rated_faces(dataset)
    if faces.votes is None or not (faces.split == split).any():
        return None
    faces, positions = clean_indices(faces, split, cleaning or Cleaning(), workspace)
    assert faces.votes is not None  # cleaning preserves votes
    positions = positions[faces.votes[positions].any(axis=1)]
    if not len(positions):
        return None
    chosen = outputs.of_faces(faces.ids[positions])
    return RatedPredictions(faces, positions, chosen.logits_for(match), match.axis, outputs.adjustment.temperature)


def _rated_faces(dataset: FaceDataset) -> FaceDataset:
    """Return all faces with the source's own labels, mapped by the class map of ``dataset``."""
    if dataset.as_labeled is None:
        return dataset
    return apply_class_map(dataset.as_labeled, dataset.class_map, partly=True)
