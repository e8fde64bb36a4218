"""Paired comparison of two classifiers on the same faces, with McNemar's test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import DataError
from fer_core.evaluation.evaluate import Predictions
from fer_core.evaluation.metrics import confusion_matrix

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's exact test (1947) on paired correct/incorrect predictions.

    Attributes:
        only_first: number of faces that only the first classifies correctly.
        only_second: number of faces that only the second classifies correctly.
        p_value: two-sided, from Binomial(only_first + only_second, 1/2); 1 if both make the same errors.
    """

    only_first: int
    only_second: int
    p_value: float

    def sentence(self, first: str = "the first", second: str = "the second", level: float = 0.05) -> str:
        """Return a summary of the result for people."""
        n = self.only_first + self.only_second
        if n == 0:
            return f"{first} and {second} make errors on exactly the same faces."
        verdict = "is statistically significant" if self.p_value < level else "is not statistically significant"
        p = "p < 0.0001" if self.p_value < 1e-4 else f"p = {self.p_value:.4f}"
        return (
            f"Only {first} is correct on {self.only_first:,} faces, only {second} on {self.only_second:,}. "
            f"The difference {verdict} (McNemar's exact test, {p})."
        )


def mcnemar(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> McNemar:
    """Run the exact test on correctness masks, both bool (N,)."""
    from scipy.stats import binomtest

    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    n = only_first + only_second
    p_value = float(binomtest(only_first, n).pvalue) if n else 1.0
    return McNemar(only_first, only_second, p_value)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of two sets of predictions for the same faces.

    Attributes:
        n: number of faces compared.
        accuracies: accuracy of the first and the second, judged by the second's labels.
        gained: positions (in the common order) that only the second classifies correctly.
        lost: positions that only the first classifies correctly.
        changed: positions where the predictions differ.
        classes: the second's classes, then those that only the first can predict; C in total.
        matrix_difference: confusion matrix of the second minus the first, int64 (C, C).
        test: result of McNemar's test.
        relabeled: number of faces whose label differs between the two (only one used marks).
        ids, labels, first, second: ids, labels and the two predictions of the faces compared, (n,) each.
    """

    n: int
    accuracies: tuple[float, float]
    gained: Ints
    lost: Ints
    changed: Ints
    classes: ClassList
    matrix_difference: Ints
    test: McNemar
    relabeled: int
    ids: npt.NDArray[np.str_]
    labels: Ints
    first: Ints
    second: Ints

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "n": self.n,
            "accuracies": list(self.accuracies),
            "gained": self.ids[self.gained].tolist(),
            "lost": self.ids[self.lost].tolist(),
            "changed": len(self.changed),
            "relabelled": self.relabeled,
            "relabeled": self.relabeled,
            "classes": list(self.classes),
            "matrix_difference": self.matrix_difference.tolist(),
            "mcnemar": {
                "only_first": self.test.only_first,
                "only_second": self.test.only_second,
                "p_value": self.test.p_value,
            },
            "sentence": self.test.sentence(),
        }


def compare(first: Predictions, second: Predictions) -> Comparison:
    """Compare two sets of predictions on their common faces, matched by id and judged by the second's labels.

    Raises:
        DataError: no face is common to both.
    """
    common, at_first, at_second = np.intersect1d(first.ids, second.ids, return_indices=True)
    if not len(common):
        raise DataError("The two sets of predictions have no face in common. Evaluate both on the same data and split.")
    order = np.argsort(at_second)
    at_first, at_second = at_first[order], at_second[order]
    # both class lists start with the data's classes under the data's names; each model's extra classes follow
    counterparts = first.classes.positions_in(second.classes)
    alone = [name for name, at in zip(first.classes, counterparts, strict=True) if at is None]
    classes = ClassList((*second.classes, *alone))
    more = iter(range(len(second.classes), len(classes)))
    place = np.array([next(more) if at is None else at for at in counterparts], dtype=np.int64)
    first_labels, labels = place[first.labels[at_first]], second.labels[at_second]
    a, b = place[first.predicted[at_first]], second.predicted[at_second]
    a_right, b_right = a == labels, b == labels
    return Comparison(
        n=len(labels),
        accuracies=(float(a_right.mean()), float(b_right.mean())),
        gained=np.flatnonzero(~a_right & b_right),
        lost=np.flatnonzero(a_right & ~b_right),
        changed=np.flatnonzero(a != b),
        classes=classes,
        matrix_difference=confusion_matrix(labels, b, len(classes)) - confusion_matrix(labels, a, len(classes)),
        test=mcnemar(a_right, b_right),
        relabeled=int((first_labels != labels).sum()),
        ids=second.ids[at_second],
        labels=labels,
        first=a,
        second=b,
    )
