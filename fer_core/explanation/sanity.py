"""Sanity checks of a saliency map: deletion and insertion, agreement of methods, weight randomization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.charts import PerturbationCurve
from fer_core.errors import FerError
from fer_core.explanation.saliency import Saliency, explain, explain_batch, make_saliency
from fer_core.inference import Classifier
from fer_core.preprocess import FACE_SIZE, as_faces

STEPS: Final = 24
RANDOM_ORDERS: Final = 8
RANDOMIZATIONS: Final = 3
SIMILARITY_LIMIT: Final = 0.5
"""A map that correlates more than this with maps of randomized networks depends on the image, not the network."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Probability of the target class while pixels are deleted or inserted.

    Attributes:
        share: float64 (STEPS + 1,), share of pixels changed, in 0…1.
        probability: float64 (STEPS + 1,).
        auc: area under the curve (trapezoidal rule), in 0…1.
    """

    share: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    auc: float


@dataclass(frozen=True, eq=False)
class SanityReport:
    """Results of the sanity checks of one saliency map.

    Attributes:
        deletion: pixels are set to gray, most important first; a faithful map has a low AUC.
        insertion: pixels are inserted into a blurred face, most important first; a faithful map has a high AUC.
        random_deletion, random_insertion: mean curves over random orders, the baseline.
        random_deletion_range, random_insertion_range: lowest and highest AUC among the random orders.
        agreement: Spearman correlation with the maps of other methods, by method.
        randomization_similarity: mean absolute Spearman correlation with the maps of networks with randomized weights
            (Adebayo et al. 2018); lower is better. None if all their maps are empty.
    """

    deletion: Curve
    insertion: Curve
    random_deletion: Curve
    random_insertion: Curve
    random_deletion_range: tuple[float, float]
    random_insertion_range: tuple[float, float]
    agreement: dict[str, float]
    randomization_similarity: float | None

    def summary(self) -> list[str]:
        """Return the results as sentences for people."""
        low, high = self.random_deletion_range
        if self.deletion.auc < low:
            deletion = "better than every random order tried"
        elif self.deletion.auc > high:
            deletion = "worse than every random order tried"
        else:
            deletion = "no better than random orders"
        low_in, high_in = self.random_insertion_range
        if self.insertion.auc > high_in:
            insertion = "better than every random order tried"
        elif self.insertion.auc < low_in:
            insertion = "worse than every random order tried"
        else:
            insertion = "no better than random orders"
        summary = [
            f"Deletion AUC {self.deletion.auc:.2f} (random order: {self.random_deletion.auc:.2f}), {deletion}.",
            f"Insertion AUC {self.insertion.auc:.2f} (random order: {self.random_insertion.auc:.2f}), {insertion}.",
        ]
        if self.randomization_similarity is None:
            summary.append(
                "With randomized weights every map is empty, so this map does depend on what the network learned."
            )
        elif self.randomization_similarity > SIMILARITY_LIMIT:
            summary.append(
                f"With randomized weights the map hardly changes (similarity {self.randomization_similarity:.2f}): "
                "it reflects the image, not what the network learned. Do not trust it."
            )
        else:
            summary.append(
                f"With randomized weights the map changes (similarity {self.randomization_similarity:.2f}): "
                "it depends on what the network learned."
            )
        return summary

    def curves(self) -> tuple[PerturbationCurve, PerturbationCurve]:
        """Return the deletion and insertion curves for :func:`fer_core.charts.deletion_insertion`."""
        better_deletion = self.deletion.auc < self.random_deletion_range[0]
        better_insertion = self.insertion.auc > self.random_insertion_range[1]
        ours, chance = self.deletion, self.random_deletion
        deletion = PerturbationCurve(ours.share, ours.probability, chance.probability, better_deletion)
        ours, chance = self.insertion, self.random_insertion
        return deletion, PerturbationCurve(ours.share, ours.probability, chance.probability, better_insertion)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "deletion_auc": self.deletion.auc,
            "insertion_auc": self.insertion.auc,
            "random_auc": self.random_deletion.auc,
            "random_insertion_auc": self.random_insertion.auc,
            "agreement": self.agreement,
            "randomization_similarity": self.randomization_similarity,
            "randomisation_similarity": self.randomization_similarity,
        }


def run_sanity_checks(
    classifier: Classifier,
    face: npt.NDArray[np.generic],
    saliency: Saliency,
    *,
    others: tuple[str, ...] = ("gradient", "integrated_gradients", "gradcam"),
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    seed: int = 0,
) -> SanityReport:
    """Run all sanity checks on one saliency map.

    Raises:
        FerError: the map is empty, or the caller stopped it.
    """
    if saliency.note is not None:
        raise FerError(f"There is no saliency map to check: {saliency.note}")
    pixels = as_faces(face)[0]
    others = tuple(name for name in others if name != saliency.method)
    total = 2 * (1 + RANDOM_ORDERS) + len(others) + RANDOMIZATIONS
    done = 0

    def step() -> None:
        nonlocal done
        if should_stop and should_stop():
            raise FerError("The sanity checks were stopped.")
        done += 1
        if on_progress:
            on_progress(done, total)

    rng = np.random.default_rng(seed)
    order = _most_important_first(saliency.positive, rng)
    orders = [rng.permutation(FACE_SIZE * FACE_SIZE) for _ in range(RANDOM_ORDERS)]
    gray = np.full_like(pixels, round(255 * classifier.info.preprocess.mean))
    blurred = _blur(pixels)

    def curves(start: npt.NDArray[np.uint8], end: npt.NDArray[np.uint8]) -> tuple[Curve, Curve, tuple[float, float]]:
        ours = _curve(classifier, start, end, order, saliency.target)
        step()
        chance = []
        for random_order in orders:
            chance.append(_curve(classifier, start, end, random_order, saliency.target))
            step()
        mean = np.mean([c.probability for c in chance], axis=0)
        areas = [c.auc for c in chance]
        return ours, Curve(ours.share, mean, float(np.mean(areas))), (min(areas), max(areas))

    deletion, random_deletion, deletion_range = curves(pixels, gray)
    insertion, random_insertion, insertion_range = curves(blurred, pixels)
    agreement = {}
    for name in others:
        other = explain(classifier, pixels, name, saliency.target)
        if other.note is None:
            agreement[name] = rank_correlation(saliency.positive, other.positive)
        step()
    similarities = []
    for number in range(RANDOMIZATIONS):
        randomized = randomize_weights(classifier, seed + number)
        values = explain_batch(randomized, pixels, saliency.method, np.array([saliency.target]))[0]
        other = make_saliency(saliency.method, saliency.target, saliency.label, values)
        if other.note is None:
            similarities.append(abs(rank_correlation(saliency.positive, other.positive)))
        step()
    return SanityReport(
        deletion,
        insertion,
        random_deletion,
        random_insertion,
        deletion_range,
        insertion_range,
        agreement,
        float(np.mean(similarities)) if similarities else None,
    )


def randomize_weights(classifier: Classifier, seed: int = 0) -> Classifier:
    """Return a copy of the classifier with newly initialized weights; the original is not modified."""
    import torch

    from fer_core.models import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(classifier.info.architecture, **classifier.info.model_args)
    return Classifier(model, classifier.info, str(classifier.device))


def rank_correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Return Spearman's rank correlation of two maps, in −1…1; 0 if one is constant."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def _most_important_first(positive: npt.NDArray[np.floating], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return pixel indices by descending value; ties are shuffled so flat areas have no spatial bias."""
    shuffled = rng.permutation(positive.size)
    return np.asarray(shuffled[np.argsort(-positive.ravel()[shuffled], kind="stable")], dtype=np.int64)


def _curve(
    classifier: Classifier,
    start: npt.NDArray[np.uint8],
    end: npt.NDArray[np.uint8],
    order: npt.NDArray[np.int64],
    target: int,
) -> Curve:
    """Replace pixels of ``start`` by ``end`` in this order and predict all steps in one batch (Petsiuk et al. 2018)."""
    share = np.linspace(0, 1, STEPS + 1)
    frames = np.repeat(start.reshape(1, -1), STEPS + 1, axis=0)
    for number, part in enumerate(share):
        changed = order[: round(part * order.size)]
        frames[number, changed] = end.ravel()[changed]
    probability = classifier.probabilities(frames.reshape(-1, FACE_SIZE, FACE_SIZE))[:, target].astype(np.float64)
    return Curve(share, probability, float(np.trapezoid(probability, share)))


def _blur(face: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Blur the face with a Gaussian of standard deviation 6 pixels (an eighth of the side)."""
    import cv2

    return np.asarray(cv2.GaussianBlur(face, (0, 0), 6, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)
