"""Rater agreement: how often a model agrees with a random human rater, and the faces where it disagrees with most.

Let v_k be the raw votes for each of K choices on one face and n = Σ v_k their total, including *unknown* and *not a
face*. A face counts if at least five of its votes are for expressions (choices that are a class of the data or one of
the eight emotions). Each metric is a mean over these faces:

* model and label: v_c / n for the predicted or labeled class c, 0 if c is not among the choices;
* human: Σ v_k (v_k − 1) / (n (n − 1)) over the expressions, the chance that two different raters of one face agree;
* ceiling: max v_k / n over the expressions, the score of always predicting the most voted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList, find_emotion
from fer_core.data import FaceDataset
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.data.votes import class_votes, vote_targets
from fer_core.errors import ConfigError
from fer_core.evaluation.metrics import soft_cross_entropy
from fer_core.formatting import percent
from fer_core.inference import softmax

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MIN_VOTES: Final = 5
"""Minimum number of votes for expressions that a face needs to count."""
_RESAMPLES: Final = 1000
_CHUNK: Final = 50
"""Resamples per batch; limits memory."""
_FIGURES: Final = ("model", "human", "label", "ceiling")

DisagreementOrder = Literal["both", "model", "people"]


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """Agreement of four predictors with a random rater of each face, in 0…1.

    Attributes:
        n: number of faces counted.
        model: agreement of the model's predictions.
        human: agreement of another rater.
        label: agreement of the data set's own labels.
        ceiling: best possible agreement.
        ci95: 95% bootstrap interval over faces for each of the four.
    """

    n: int
    model: float
    human: float
    label: float
    ceiling: float
    ci95: dict[str, tuple[float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {name: getattr(self, name) for name in _FIGURES}
        return {"n": self.n, **figures, "ci95": {name: list(interval) for name, interval in self.ci95.items()}}

    def sentence(self, label: str = "the data's own label") -> str:
        """Return a one-sentence summary; ``label`` names the data set's own labels."""
        model, human, own = (percent(share, 0) for share in (self.model, self.human, self.label))
        return (
            f"The model agrees with a random human rater {model} of the time (another rater: {human}; "
            f"{label}: {own}; n = {self.n:,})."
        )


def is_expression(columns: Sequence[str], classes: ClassList) -> npt.NDArray[np.bool_]:
    """Return which of K choices are expressions, bool (K,): a class of the data or one of the eight emotions."""
    return np.array([classes.find(column) is not None or find_emotion(column) is not None for column in columns], bool)


def has_enough_votes(votes: Ints, expression: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which faces count for rater agreement, bool (N,).

    Args:
        votes: raw votes, int64 (N, K).
        expression: bool (K,) from :func:`is_expression`.
    """
    return np.asarray(votes[:, expression].sum(axis=1) >= MIN_VOTES)


def rater_agreement(
    votes: Ints,
    columns: Sequence[str],
    *,
    predicted: Ints,
    predicted_classes: ClassList,
    labels: Ints,
    classes: ClassList,
    seed: int = 0,
) -> RaterAgreement | None:
    """Compute rater agreement over N faces; return None if no face has enough votes.

    Args:
        votes: raw votes, int64 (N, K).
        columns: names of the K choices.
        predicted: predicted classes, int64 (N,), positions in ``predicted_classes``.
        predicted_classes: classes of the model, matched to ``columns`` by name.
        labels: the data set's own labels, int64 (N,), positions in ``classes``.
        classes: classes of the data set, matched to ``columns`` by name.
        seed: seed of the bootstrap.
    """
    expression = is_expression(columns, classes)
    counted = has_enough_votes(votes, expression)
    if not counted.any():
        return None
    votes, predicted, labels = votes[counted], predicted[counted], labels[counted]
    rows, n = np.arange(len(votes)), votes.sum(axis=1)
    for_expressions = votes[:, expression]
    each = np.column_stack(
        [
            class_votes(votes, columns, predicted_classes)[rows, predicted] / n,
            (for_expressions * (for_expressions - 1)).sum(axis=1) / (n * (n - 1)),
            class_votes(votes, columns, classes)[rows, labels] / n,
            for_expressions.max(axis=1) / n,
        ]
    )
    low, high = _bootstrap(each, seed)
    model, human, label, ceiling = each.mean(axis=0).tolist()
    intervals = zip(low.tolist(), high.tolist(), strict=True)
    return RaterAgreement(len(votes), model, human, label, ceiling, dict(zip(_FIGURES, intervals, strict=True)))


def _bootstrap(each: Floats, seed: int) -> tuple[Floats, Floats]:
    """Return bounds of the 95% intervals, float64 (F,) each, for the column means of ``each`` (n, F); resamples rows."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(0, _RESAMPLES, _CHUNK):
        drawn = rng.integers(len(each), size=(_CHUNK, len(each)))
        times = np.stack([np.bincount(faces, minlength=len(each)) for faces in drawn])
        means.append(times @ each / len(each))
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975], axis=0)
    return low, high


@dataclass(frozen=True, eq=False)
class Disagreements:
    """Faces where a model and most raters disagree, sorted.

    Attributes:
        faces: int64 (m,), positions in the :class:`RatedPredictions` they come from.
        predicted: str (m,), predicted classes.
        confidence: float64 (m,), top probability of the model.
        people: str (m,), most voted expressions.
        share: float64 (m,), share of all votes for the most voted expression.
    """

    faces: Ints
    predicted: npt.NDArray[np.str_]
    confidence: Floats
    people: npt.NDArray[np.str_]
    share: Floats

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, eq=False)
class RatedPredictions:
    """A model's predictions for all rated faces of a split, whatever their label.

    If the labels of a data set are majority votes, this covers more faces than the data set does: faces without a
    majority are included, and ``label`` means the source's own label.

    Attributes:
        dataset: the faces, with the source's own labels.
        positions: int64 (n,), positions of these faces in ``dataset``.
        logits: float32 (n, C), adjusted for the model's sensitivity.
        classes: the C classes that the model can predict.
        temperature: divides the logits before softmax.
    """

    dataset: FaceDataset
    positions: Ints
    logits: npt.NDArray[np.float32]
    classes: ClassList
    temperature: float = 1.0

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def votes(self) -> Ints:
        """Raw votes, int64 (n, K); ``dataset.vote_columns`` names the choices."""
        assert self.dataset.votes is not None  # guaranteed by the constructor's callers
        return self.dataset.votes[self.positions]

    @property
    def predicted(self) -> Ints:
        """The most probable class, int64 (n,), positions in ``classes``."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """softmax(logits / temperature), float32 (n, C)."""
        return softmax(self.logits, self.temperature)

    def subset(self, chosen: npt.NDArray[np.bool_]) -> RatedPredictions:
        """Return the subset of faces selected by the mask ``chosen``, bool (n,)."""
        return replace(self, positions=self.positions[chosen], logits=self.logits[chosen])

    def agreement(self) -> RaterAgreement | None:
        """Compute rater agreement, see :func:`rater_agreement`."""
        return rater_agreement(
            self.votes, self.dataset.vote_columns,
            predicted=self.predicted, predicted_classes=self.classes,
            labels=self.dataset.labels[self.positions], classes=self.dataset.classes,
        )  # fmt: skip

    def sentence(self, agreement: RaterAgreement) -> str:
        """Return a one-sentence summary of the agreement."""
        ferplus = self.dataset.vote_columns == FERPLUS_COLUMNS
        return agreement.sentence("FER2013's label" if ferplus else "the data's own label")

    def cross_entropy(self) -> tuple[float | None, int]:
        """Return the mean cross-entropy with the votes as soft targets, in nats, and the number of faces.

        Only faces with a target count, see :func:`fer_core.data.votes.vote_targets`; without any, the first value is
        None.
        """
        targets, has_target = vote_targets(self.votes, self.dataset.vote_columns, self.classes)
        if not has_target.any():
            return None, 0
        logits = self.logits[has_target] / self.temperature
        return soft_cross_entropy(logits, targets[has_target]), int(has_target.sum())

    def disagreements(self, order: DisagreementOrder = "both") -> Disagreements:
        """Return the faces with enough votes whose prediction is not a most voted expression.

        ``order`` sorts descending by the ``model``'s confidence, by the share of votes (``people``), or by the product
        of ``both``.

        Raises:
            ConfigError: the order is unknown.
        """
        if order not in get_args(DisagreementOrder):
            raise ConfigError(f"Unknown order '{order}'. Choose one of {', '.join(get_args(DisagreementOrder))}.")
        votes, columns = self.votes, self.dataset.vote_columns
        expression = is_expression(columns, self.dataset.classes)
        places = np.flatnonzero(expression)
        of_model = class_votes(votes, columns, self.classes)[np.arange(len(votes)), self.predicted]
        most = votes[:, places].max(axis=1, initial=0)
        faces = np.flatnonzero(has_enough_votes(votes, expression) & (of_model < most))
        share = most[faces] / votes[faces].sum(axis=1)
        confidence = self.probabilities[faces].max(axis=1).astype(np.float64)
        sure = {"both": confidence * share, "model": confidence, "people": share}[order]
        found = np.argsort(-sure, kind="stable")
        names = np.array([self._class_name(columns[i]) for i in places], dtype=np.str_)
        top = votes[faces][:, places].argmax(axis=1) if len(faces) else np.zeros(0, np.int64)
        return Disagreements(
            faces=faces[found],
            predicted=np.array(self.classes.names, dtype=np.str_)[self.predicted[faces][found]],
            confidence=confidence[found],
            people=names[top][found],
            share=share[found],
        )

    def _class_name(self, column: str) -> str:
        """Return the class name of a choice, for example ``angry`` for ``anger``."""
        found = self.classes.find(column)
        if found is not None:
            return self.classes[found]
        emotion = find_emotion(column)
        return emotion.name if emotion is not None else column
