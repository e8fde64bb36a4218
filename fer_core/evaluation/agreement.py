"""A model among people: how often it names what a person drawn at random names, and the faces where they part.

*Rater agreement* takes the raw votes: v_k for each of K choices on one face, n = Σ v_k over all of them, *unknown* and
*not a face* included. Faces count that have at least five votes, at least five of them for expressions (choices that
are a class of the data or one of the eight emotions). Means over these faces:

* model and label: v_c / n for the class c named, 0 where nobody can vote for it;
* human: Σ v_k (v_k − 1) / (n (n − 1)) over the expressions, the chance that two different raters of one face agree;
* ceiling: max v_k / n over the expressions, what always naming the most voted one reaches.
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
"""Fewest votes on a face, and fewest of them for expressions, that let it count."""
_RESAMPLES: Final = 1000
_CHUNK: Final = 50
"""Resamples drawn at once: bounds the memory."""
_FIGURES: Final = ("model", "human", "label", "ceiling")

DisagreementOrder = Literal["both", "model", "people"]


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """How often each of four agrees with a person drawn at random from those who voted on a face.

    Attributes:
        n: faces that count.
        model: of the model's predictions.
        human: of another person.
        label: of the data set's own labels.
        ceiling: the best possible.
        ci95: for each of the four the 95% interval, by bootstrap over faces.
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
        """The figures in words; ``label`` is what the data set's own labels are called."""
        model, human, own = (percent(share, 0) for share in (self.model, self.human, self.label))
        return (
            f"It agrees with a person drawn at random {model} of the time; another person does {human}, "
            f"{label} {own} (n = {self.n:,})."
        )


def is_expression(columns: Sequence[str], classes: ClassList) -> npt.NDArray[np.bool_]:
    """Which of K choices are expressions, bool (K,): a class of the data, or one of the eight emotions."""
    return np.array([classes.find(column) is not None or find_emotion(column) is not None for column in columns], bool)


def has_enough_votes(votes: Ints, expression: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which faces count for rater agreement, bool (N,); votes (N, K), ``expression`` from :func:`is_expression`."""
    return np.asarray(votes[:, expression].sum(axis=1) >= MIN_VOTES)  # then all choices together are as many


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
    """Rater agreement over N faces; None where no face has enough votes.

    Args:
        votes: raw, int64 (N, K).
        columns: what the votes are for, K names.
        predicted: the model's classes, int64 (N,), positions in ``predicted_classes``.
        predicted_classes: found among ``columns`` by name.
        labels: the data set's own, int64 (N,), positions in ``classes``.
        classes: of the data set; found among ``columns`` by name.
        seed: of the bootstrap.
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
    """Ends of the 95% intervals of the column means of ``each`` (n, F), float64 (F,), by resampling rows."""
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
    """Faces where a model names another class than most people do, ordered.

    Attributes:
        faces: int64 (m,), places in the :class:`RatedPredictions` they come from.
        predicted: str (m,), what the model names.
        confidence: float64 (m,), how sure the model is: its top probability.
        people: str (m,), what most people name.
        share: float64 (m,), how sure people are: the share of all votes that the most voted expression has.
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
    """A model's predictions for the faces of a split on which people voted, whatever the label.

    Where the labels of a data set are the majority of the votes, these are more faces than it has: those without a
    majority count too, and ``label`` means the source's own.

    Attributes:
        dataset: the faces, with the source's own labels.
        positions: int64 (n,), where these faces stand in it.
        logits: float32 (n, C), as the model's sensitivity has shifted them.
        classes: the C classes the model could name.
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
        assert self.dataset.votes is not None  # no other faces come here
        return self.dataset.votes[self.positions]

    @property
    def predicted(self) -> Ints:
        """The most probable class, int64 (n,), positions in ``classes``."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """softmax(logits / temperature), float32 (n, C)."""
        return softmax(self.logits, self.temperature)

    def among(self, chosen: npt.NDArray[np.bool_]) -> RatedPredictions:
        """Only the faces where ``chosen``, bool (n,), is true."""
        return replace(self, positions=self.positions[chosen], logits=self.logits[chosen])

    def agreement(self) -> RaterAgreement | None:
        """See :func:`rater_agreement`."""
        return rater_agreement(
            self.votes, self.dataset.vote_columns,
            predicted=self.predicted, predicted_classes=self.classes,
            labels=self.dataset.labels[self.positions], classes=self.dataset.classes,
        )  # fmt: skip

    def sentence(self, agreement: RaterAgreement) -> str:
        """The agreement in words."""
        ferplus = self.dataset.vote_columns == FERPLUS_COLUMNS
        return agreement.sentence("FER2013's own label" if ferplus else "the data's own label")

    def cross_entropy(self) -> tuple[float | None, int]:
        """Mean cross-entropy with people's votes as soft targets over the classes the model could name, in nats.

        The second value is the number of faces that have such a target, see
        :func:`fer_core.data.votes.vote_targets`; with none of them the first is None.
        """
        targets, has_target = vote_targets(self.votes, self.dataset.vote_columns, self.classes)
        if not has_target.any():
            return None, 0
        logits = self.logits[has_target] / self.temperature
        return soft_cross_entropy(logits, targets[has_target]), int(has_target.sum())

    def disagreements(self, order: DisagreementOrder = "both") -> Disagreements:
        """The faces with enough votes where the model does not name a most voted expression.

        ``order``: those first where the ``model`` is surest, where ``people`` are, or where ``both`` are (by the
        product of the two).

        Raises:
            ConfigError: the order is unknown.
        """
        if order not in get_args(DisagreementOrder):
            raise ConfigError(
                f"'{order}' is no order of these faces; choose one of {', '.join(get_args(DisagreementOrder))}."
            )
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
        """What a choice is called where the model's classes are named: ``anger`` is ``angry``."""
        found = self.classes.find(column)
        if found is not None:
            return self.classes[found]
        emotion = find_emotion(column)
        return emotion.name if emotion is not None else column
