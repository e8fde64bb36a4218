"""The subject of the Evaluate page: a model on a split, and its evaluation."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.classes import ClassList
from fer_core.data.cleaning import Cleaning
from fer_core.data.marks import marks_for
from fer_core.data.votes import class_votes
from fer_core.evaluation import Predictions
from fer_core.evaluation.cells import cleaned_predictions
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import plain
from pages.ui.shell.runs import all_runs, started

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.evaluation.evaluate import Outputs, Tta
    from fer_core.evaluation.matching import ExtraClasses
    from fer_core.evaluation.report import EvaluationReport


@dataclass(frozen=True, eq=False)
class Subject:
    """A model on a split, and its evaluation.

    Attributes:
        model: shipped name or run id; ``name`` is its display name, ``path`` its checkpoint.
        dataset: with corrected labels, if marks are used.
        report: all figures.
        tta, cleaning, extra: options of the evaluation.
        key: identity of all fields.
    """

    model: str
    name: str
    path: Path
    dataset: FaceDataset
    split: str
    report: EvaluationReport
    tta: Tta
    cleaning: Cleaning
    extra: ExtraClasses
    key: str

    @property
    def predictions(self) -> Predictions:
        """Predictions for the faces at ``positions``."""
        return self.report.predictions

    @property
    def classes(self) -> ClassList:
        """Classes of labels and predictions: those of the data that the model knows, then the other ones of the model."""
        return self.report.predictions.classes

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Indices of the evaluated faces in the data set."""
        return self.report.positions

    @property
    def votes(self) -> npt.NDArray[np.int64] | None:
        """Votes for each class on the evaluated faces, int64 (n, C)."""
        if self.dataset.votes is None:
            return None
        return class_votes(self.dataset.votes[self.positions], self.dataset.vote_columns, self.predictions.classes)


def model_names() -> dict[str, str]:
    """Models that can be evaluated, with unique display names."""
    found = cache.models()
    when = {run.id: started(run) for run in all_runs()}
    return {model: f"{name} · {when[model]}" if model in when else name for model, name in found.items()}


def evaluated(
    model: str,
    name: str,
    dataset: FaceDataset,
    split: str,
    tta: Tta,
    cleaning: Cleaning,
    extra: ExtraClasses = "count",
    sensitivity: float | None = None,
) -> Subject:
    """Evaluate with a progress bar, or return the cached result; at the model's own sensitivity if None.

    Raises:
        DataError, ModelError: the model cannot be evaluated on the data.
    """
    from fer_core.inference import resolve_model

    outputs = outputs_of(model, name, dataset, split, tta, sensitivity)
    path = resolve_model(model, session.workspace())
    votes = None if dataset.votes is None else zlib.crc32(dataset.votes.tobytes())
    # Not in the fingerprint, but part of what is cached: else the page would name the files of another copy of the data.
    beside = votes, dataset.name, dataset.warnings
    parts = [path, path.stat().st_mtime_ns, dataset.cache_key, beside, split, tta, cleaning, extra, sensitivity]
    key = "|".join(str(part) for part in [*parts, _marks_state(dataset, cleaning)])
    cleaned, report = _report(key, outputs, dataset, split, tta, cleaning, extra)
    return Subject(model, name, path, cleaned, split, report, tta, cleaning, extra, key)


def outputs_of(
    model: str, name: str, dataset: FaceDataset, split: str, tta: Tta, sensitivity: float | None = None
) -> Outputs:
    """Return the outputs of the model for a whole split, and show progress the first time."""
    from fer_core.evaluation.cache import cached_outputs

    place = st.empty()

    def report(done: int, total: int) -> None:
        place.progress(done / total, text=f"Evaluating {plain(name)}: {done:,} of {total:,} faces")

    try:
        return cached_outputs(
            model, dataset, split, tta, sensitivity=sensitivity, workspace=session.workspace(), on_progress=report
        )
    finally:
        place.empty()


def predictions_of(
    model: str, name: str, dataset: FaceDataset, split: str, tta: Tta, extra: ExtraClasses
) -> Predictions:
    """Return the predictions for the faces of a split whose class the model knows."""
    from fer_core.evaluation.matching import match_classes

    outputs = outputs_of(model, name, dataset, split, tta)
    match = match_classes(outputs.classes, dataset.classes, extra)
    indices = dataset.indices(split)
    return outputs.of_faces(dataset.ids[indices]).predictions(match, dataset.labels[indices])


def _marks_state(dataset: FaceDataset, cleaning: Cleaning) -> tuple[str, int, int] | None:
    if not cleaning.use_marks:
        return None
    path = marks_for(dataset, session.workspace()).path  # of this user
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_size


@st.cache_resource(max_entries=6, show_spinner=False)
def _report(
    key: str,
    _outputs: Outputs,
    _dataset: FaceDataset,
    _split: str,
    _tta: Tta,
    _cleaning: Cleaning,
    _extra: ExtraClasses,
) -> tuple[FaceDataset, EvaluationReport]:
    from fer_core.evaluation.report import build_report

    found = cleaned_predictions(_outputs, _dataset, _split, _cleaning, _extra, workspace=session.workspace())
    return found.dataset, build_report(found, _split, _tta, _cleaning)
