"""Full evaluation report of one model on one split, for the page and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_core.data import FaceDataset
from fer_core.data.cleaning import Cleaning, deduplicated
from fer_core.errors import DataError
from fer_core.evaluation import metrics
from fer_core.evaluation.agreement import RatedPredictions, RaterAgreement
from fer_core.evaluation.calibration import RiskCoverage, risk_coverage
from fer_core.evaluation.cells import cleaned_predictions
from fer_core.evaluation.evaluate import Evaluation, MatchedPredictions, Predictions, Tta, model_outputs
from fer_core.evaluation.human import ERROR_KINDS, VoteSummary, classify_errors, summarize_votes
from fer_core.evaluation.matching import ClassMatch, ExtraClasses, match_classes
from fer_core.inference import Classifier
from fer_core.inference.classifier import Progress
from fer_core.workspace import Workspace


@dataclass(frozen=True, slots=True)
class VoteMetrics:
    """Metrics of a model against human votes, over all rated faces of a split; None without votes.

    Attributes:
        agreement: rater agreement; None if no face has enough votes.
        cross_entropy: mean cross-entropy with the votes as soft targets, in nats, over ``cross_entropy_n`` faces.
    """

    agreement: RaterAgreement | None = None
    cross_entropy: float | None = None
    cross_entropy_n: int = 0

    @classmethod
    def of(cls, rated: RatedPredictions | None) -> VoteMetrics:
        """Compute the metrics from predictions for rated faces."""
        return cls() if rated is None else cls(rated.agreement(), *rated.cross_entropy())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rater_agreement": self.agreement.to_dict() if self.agreement else None,
            "votes_cross_entropy": self.cross_entropy,
            "votes_cross_entropy_n": self.cross_entropy_n,
        }


@dataclass(frozen=True, slots=True)
class DeduplicatedMetrics:
    """Metrics without duplicates of training or validation faces; ``accuracy`` is None if no face is left."""

    n: int
    accuracy: float | None
    accuracy_ci95: tuple[float, float] | None
    votes: VoteMetrics

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        interval = list(self.accuracy_ci95) if self.accuracy_ci95 else None
        return {"n": self.n, "accuracy": self.accuracy, "accuracy_ci95": interval, **self.votes.to_dict()}


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Everything about one model on one split.

    Attributes:
        evaluation: metrics on the whole split (after cleaning, if requested).
        deduplicated: metrics without duplicates of training or validation faces.
        predictions: the predictions behind the metrics.
        positions: int64 (n,), positions of the faces in the data set.
        match: match between the classes of model and data.
        excluded: number of faces whose class the model lacks, by class.
        risk: risk-coverage curve.
        human: summary of the votes; None without votes.
        error_kinds: str (n,), kind of each error; None without votes.
        rated: predictions for all rated faces of the split; None without votes. If labels are majority votes, these are
            more faces than ``predictions`` has.
        votes: metrics against the votes.
        sentences: findings for people.
    """

    evaluation: Evaluation
    deduplicated: DeduplicatedMetrics
    predictions: Predictions
    positions: np.ndarray[Any, np.dtype[np.int64]]
    match: ClassMatch
    excluded: dict[str, int]
    risk: RiskCoverage
    human: VoteSummary | None
    error_kinds: np.ndarray[Any, np.dtype[np.str_]] | None
    tta: Tta
    cleaning: Cleaning
    abstain_below: float
    sensitivity: float
    rated: RatedPredictions | None
    votes: VoteMetrics

    @property
    def agreement(self) -> RaterAgreement | None:
        """Rater agreement; None if too few people voted."""
        return self.votes.agreement

    @property
    def sentences(self) -> list[str]:
        """Findings for people; checks the lab report's claim about fear only if all classes are emotions and include fear."""
        people = [self.rated.sentence(self.agreement)] if self.rated is not None and self.agreement else []
        emotions = self.evaluation.classes.all_emotions and "fear" in self.match.shared
        claim = [fear_sentence(self.evaluation)] if emotions else []
        return [*people, *claim, *confusion_sentences(self.evaluation), *([self.caption] if self.caption else [])]

    @property
    def caption(self) -> str:
        """Note on classes that only one side has; empty if both have the same."""
        return self.match.caption(self.excluded)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        coverage, risk = self.risk.at(self.abstain_below)
        record = {
            **self.evaluation.to_dict(),
            "classes": self.match.to_dict(),
            "masked": list(self.match.masked),
            "left_out": self.excluded,
            "excluded": self.excluded,
            "sensitivity": self.sensitivity,
            "tta": self.tta,
            **self.votes.to_dict(),
            "deduplicated": self.deduplicated.to_dict(),
            "temperature": self.predictions.temperature,
            "abstain_below": self.abstain_below,
            "coverage": coverage,
            "selective_risk": risk,
            "aurc": self.risk.area,
            "sentences": self.sentences,
        }
        if self.human is not None and self.error_kinds is not None:
            record["human"] = self.human.to_dict()
            record["errors"] = {kind: int((self.error_kinds == kind).sum()) for kind in ERROR_KINDS}
        return record


def evaluate_split(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str,
    tta: Tta = "none",
    cleaning: Cleaning | None = None,
    on_progress: Progress | None = None,
    extra: ExtraClasses = "count",
    *,
    workspace: Workspace,
) -> EvaluationReport:
    """Run the model on one split and build the full report.

    Raises:
        DataError: the split is unknown or empty, or no face is left after cleaning.
        ModelError: model and data have no class in common.
    """
    match_classes(classifier.classes, dataset.classes, extra)  # raises before the expensive inference
    dataset.indices(split)
    faces = dataset.all_faces
    outputs = model_outputs(classifier, faces, faces.indices(split), tta, on_progress)
    found = cleaned_predictions(outputs, dataset, split, cleaning, extra, workspace=workspace)
    return build_report(found, split, tta, cleaning)


def build_report(
    found: MatchedPredictions,
    split: str,
    tta: Tta = "none",
    cleaning: Cleaning | None = None,
) -> EvaluationReport:
    """Build the report from predictions for one split.

    Raises:
        DataError: the predictions belong to other faces.
    """
    predictions, dataset, positions = found.predictions, found.dataset, found.positions
    if not np.array_equal(predictions.ids, dataset.ids[positions]):
        raise DataError("These predictions belong to other faces. Evaluate again.")
    alone = np.isin(positions, deduplicated(dataset, positions))
    rated = found.rated
    rated_alone = None
    if rated is not None:
        rated_alone = rated.subset(np.isin(rated.positions, deduplicated(rated.dataset, rated.positions)))
    right = predictions.predicted == predictions.labels
    n, hits = int(alone.sum()), int(right[alone].sum())
    human, kinds = None, None
    if dataset.votes is not None and dataset.votes[positions].any():
        votes = dataset.votes[positions]
        people = (votes, dataset.vote_columns, predictions.classes, predictions.labels)
        human = summarize_votes(*people)
        kinds = classify_errors(*people, predictions.predicted)
    return EvaluationReport(
        evaluation=Evaluation.of(predictions, split),
        deduplicated=DeduplicatedMetrics(
            n, hits / n if n else None, metrics.wilson_interval(hits, n) if n else None, VoteMetrics.of(rated_alone)
        ),
        predictions=predictions,
        positions=positions,
        match=found.match,
        excluded=found.excluded,
        risk=risk_coverage(predictions.probabilities, predictions.labels),
        human=human,
        error_kinds=kinds,
        tta=tta,
        cleaning=cleaning or Cleaning(),
        abstain_below=found.abstain_below,
        sensitivity=found.sensitivity,
        rated=rated,
        votes=VoteMetrics.of(rated),
    )


def confusion_sentences(evaluation: Evaluation, top: int = 3) -> list[str]:
    """Describe the most confused pairs of classes, one sentence each."""
    return [
        f"{count:,} of {evaluation.per_class[true].n:,} {true} faces ({share:.0%}) are misclassified as {predicted}."
        for true, predicted, count, share in metrics.most_confused(evaluation.confusion, evaluation.classes, top)
    ]


def fear_sentence(evaluation: Evaluation) -> str:
    """Check the lab report's claim that "fear is the easiest to confuse" on these metrics."""
    recalls = {name: s.recall for name, s in evaluation.per_class.items() if s.recall is not None}
    if "fear" not in recalls or len(recalls) < 2:
        return (
            "The claim 'fear is the easiest to confuse' cannot be checked: it needs faces of fear and of another class."
        )
    worst = min(recalls, key=lambda name: recalls[name])
    low, high = metrics.wilson_interval(
        round(recalls["fear"] * evaluation.per_class["fear"].n), evaluation.per_class["fear"].n
    )
    fear = f"{recalls['fear']:.0%} of the fear faces are correctly classified (95% interval {low:.0%}–{high:.0%})"
    if worst != "fear":
        return f"'Fear is the easiest to confuse' does not hold here: {fear}, but only {recalls[worst]:.0%} of {worst}."
    second = min((name for name in recalls if name != "fear"), key=lambda name: recalls[name])
    clear = "clearly" if high < recalls[second] else "though not clearly"
    return f"'Fear is the easiest to confuse' holds here, {clear}: {fear}, followed by {second} with {recalls[second]:.0%}."
