"""Walking into a confusion matrix: how it is shown, and which faces stand in one of its cells."""

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
    """The matrix as counts, as shares of each row (recall) or of each column (precision); empty ones stay zero.

    ``confusion`` is (C, C), rows are true classes; the answer is float64 (C, C).
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if view == "counts":
        return counts
    totals = counts.sum(axis=1 if view == "rows" else 0, keepdims=True)
    return np.asarray(np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0), dtype=np.float64)


def order_by_recall(confusion: Ints) -> list[int]:
    """Classes in the order of their recall, the most confused first; classes without faces last."""
    shares = np.diag(normalize_confusion(confusion, "rows"))
    empty = np.asarray(confusion).sum(axis=1) == 0
    return [int(i) for i in np.lexsort((shares, empty))]


def most_confused_cell(confusion: Ints) -> tuple[int, int] | None:
    """The off-diagonal cell with the largest share of its row, as (true, predicted); None when nothing is confused."""
    shares = normalize_confusion(confusion, "rows")
    np.fill_diagonal(shares, 0)
    if not shares.any():
        return None
    row, column = np.unravel_index(int(shares.argmax()), shares.shape)
    return int(row), int(column)


def matrix_csv(confusion: npt.NDArray[np.generic], classes: ClassList) -> str:
    """The matrix as csv: a row for each true class, a column for each predicted one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [csv_cell(name) for name in classes]
    writer.writerow(["true \\ predicted", *names])
    for name, row in zip(names, np.asarray(confusion).tolist(), strict=True):
        writer.writerow([name, *row])
    return text.getvalue()


def disagreement(predictions: Predictions, votes: Ints | None) -> Floats:
    """How far the model's probabilities lie from people's answers, float64 (n,) in 0…1.

    The total variation distance ½ Σ |p_k − q_k| between the model's probabilities p and the shares q of
    people's votes for the classes; for a face nobody voted on, q puts everything on the label.

    Args:
        predictions: of n faces.
        votes: for each of ``predictions.classes``, of the same faces, int64 (n, C), or None.
    """
    people = np.eye(len(predictions.classes))[predictions.labels]
    if votes is not None:
        counts = votes.astype(np.float64)
        voted = counts.sum(axis=1) > 0
        people[voted] = counts[voted] / counts[voted].sum(axis=1, keepdims=True)
    return np.asarray(np.abs(predictions.probabilities - people).sum(axis=1) / 2, dtype=np.float64)


def rank(predictions: Predictions, faces: Ints, order: FaceOrder, votes: Ints | None = None) -> tuple[Ints, Floats]:
    """Faces in the order in which they are looked at, with the figure that decides it; the largest stands first.

    Args:
        predictions: of n faces.
        faces: which of them, int64 (m,).
        order: ``confidence`` (top probability), ``loss`` (−ln p of the label, in nats) or ``disagreement``.
        votes: for each of ``predictions.classes``, of the n faces, int64 (n, C), or None.

    Returns:
        ``faces`` reordered, ties as they were, and the figures, float64 (m,).
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
    """The faces of one cell, int64 (m,), places in ``predictions``."""
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
    """Predictions after cleaning from a model's outputs for a whole split; the model is not asked again.

    ``outputs`` are for the split of ``dataset.all_faces``. Faces are left out and labels corrected as ``cleaning``
    says; faces whose class the model lacks are left out too.

    Raises:
        DataError: the outputs are not those of this split, nothing is left, or the marks are damaged.
        ModelError: model and data have no class in common.
    """
    faces = dataset.all_faces
    if not np.array_equal(outputs.ids, faces.ids[faces.indices(split)]):
        raise DataError("These predictions belong to other faces; evaluate again.")
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
    """Predictions for all faces of a split that people voted on; None where there are none."""
    faces = _rated_faces(dataset)
    if faces.votes is None or not (faces.split == split).any():
        return None
    faces, positions = clean_indices(faces, split, cleaning or Cleaning(), workspace)
    assert faces.votes is not None  # cleaning keeps them
    positions = positions[faces.votes[positions].any(axis=1)]
    if not len(positions):
        return None
    chosen = outputs.of_faces(faces.ids[positions])
    return RatedPredictions(faces, positions, chosen.logits_for(match), match.axis, outputs.adjustment.temperature)


def _rated_faces(dataset: FaceDataset) -> FaceDataset:
    """Every face with the source's own labels, in the classes of ``dataset``'s class map."""
    if dataset.as_labeled is None:
        return dataset
    return apply_class_map(dataset.as_labeled, dataset.class_map, partly=True)
