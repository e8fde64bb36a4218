"""Whether a map is faithful: deletion and insertion against chance, agreement of methods, scrambled weights."""

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
"""A map that correlates more than this with the maps of scrambled networks shows the picture, not the network."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Probability of the target while pixels are taken away or brought in.

    Attributes:
        share: float64 (STEPS + 1,), share of pixels changed, 0…1.
        probability: float64 (STEPS + 1,).
        auc: area under the curve by the trapezoidal rule, in 0…1.
    """

    share: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    auc: float


@dataclass(frozen=True, eq=False)
class SanityReport:
    """What the tests say about one map.

    Attributes:
        deletion: pixels set to grey, most important first: a good map makes the probability fall fast (low AUC).
        insertion: pixels brought into a blurred face, most important first: a good map makes it rise fast (high AUC).
        random_deletion, random_insertion: mean curves over random orders, the baseline.
        random_deletion_range, random_insertion_range: lowest and highest AUC among the random orders.
        agreement: Spearman correlation with the maps of other methods, by name.
        randomization_similarity: mean absolute Spearman correlation with the maps of networks whose weights were
            scrambled (Adebayo et al. 2018); low is good. None where all their maps are empty.
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
        """The verdicts in plain words."""
        low, high = self.random_deletion_range
        if self.deletion.auc < low:
            deletion = "better than every random order"
        elif self.deletion.auc > high:
            deletion = "worse than every random order"
        else:
            deletion = "no better than random orders"
        low_in, high_in = self.random_insertion_range
        if self.insertion.auc > high_in:
            insertion = "better than every random order"
        elif self.insertion.auc < low_in:
            insertion = "worse than every random order"
        else:
            insertion = "no better than random orders"
        said = [
            f"Deleting what the map calls important: area {self.deletion.auc:.2f} against {self.random_deletion.auc:.2f} by chance, {deletion}.",
            f"Bringing it in first: area {self.insertion.auc:.2f} against {self.random_insertion.auc:.2f} by chance, {insertion}.",
        ]
        if self.randomization_similarity is None:
            said.append("With scrambled weights every map is empty, so this one does depend on what was learnt.")
        elif self.randomization_similarity > SIMILARITY_LIMIT:
            said.append(
                f"With scrambled weights the map hardly changes (similarity {self.randomization_similarity:.2f}): "
                "it shows the picture, not what the network learnt. Do not believe it."
            )
        else:
            said.append(
                f"With scrambled weights the map changes (similarity {self.randomization_similarity:.2f}): "
                "it depends on what the network learnt."
            )
        return said

    def curves(self) -> tuple[PerturbationCurve, PerturbationCurve]:
        """Deletion and insertion as :func:`fer_core.charts.deletion_insertion` draws them."""
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
    """All tests for one map.

    Raises:
        FerError: the map is empty, or it was stopped.
    """
    if saliency.note is not None:
        raise FerError(f"There is nothing to test: {saliency.note}")
    pixels = as_faces(face)[0]
    others = tuple(name for name in others if name != saliency.method)
    total = 2 * (1 + RANDOM_ORDERS) + len(others) + RANDOMIZATIONS
    done = 0

    def step() -> None:
        nonlocal done
        if should_stop and should_stop():
            raise FerError("The test was stopped.")
        done += 1
        if on_progress:
            on_progress(done, total)

    rng = np.random.default_rng(seed)
    order = _most_important_first(saliency.positive, rng)
    orders = [rng.permutation(FACE_SIZE * FACE_SIZE) for _ in range(RANDOM_ORDERS)]
    grey = np.full_like(pixels, round(255 * classifier.info.preprocess.mean))
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

    deletion, random_deletion, deletion_range = curves(pixels, grey)
    insertion, random_insertion, insertion_range = curves(blurred, pixels)
    agreement = {}
    for name in others:
        other = explain(classifier, pixels, name, saliency.target)
        if other.note is None:
            agreement[name] = rank_correlation(saliency.positive, other.positive)
        step()
    similarities = []
    for number in range(RANDOMIZATIONS):
        scrambled = randomize_weights(classifier, seed + number)
        values = explain_batch(scrambled, pixels, saliency.method, np.array([saliency.target]))[0]
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
    """A copy of the classifier with freshly drawn weights; the original stays as it is."""
    import torch

    from fer_core.models import build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(classifier.info.architecture, **classifier.info.model_args)
    return Classifier(model, classifier.info, str(classifier.device))


def rank_correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two maps, in -1…1; 0 where one of them is constant."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def _most_important_first(positive: npt.NDArray[np.floating], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Pixel numbers by falling value; equal values in random order, so that a flat part favours no corner."""
    shuffled = rng.permutation(positive.size)
    return np.asarray(shuffled[np.argsort(-positive.ravel()[shuffled], kind="stable")], dtype=np.int64)


def _curve(
    classifier: Classifier,
    start: npt.NDArray[np.uint8],
    end: npt.NDArray[np.uint8],
    order: npt.NDArray[np.int64],
    target: int,
) -> Curve:
    """Turn ``start`` into ``end`` pixel by pixel in this order; one batch through the classifier (Petsiuk et al. 2018)."""
    share = np.linspace(0, 1, STEPS + 1)
    frames = np.repeat(start.reshape(1, -1), STEPS + 1, axis=0)
    for number, part in enumerate(share):
        changed = order[: round(part * order.size)]
        frames[number, changed] = end.ravel()[changed]
    probability = classifier.probabilities(frames.reshape(-1, FACE_SIZE, FACE_SIZE))[:, target].astype(np.float64)
    return Curve(share, probability, float(np.trapezoid(probability, share)))


def _blur(face: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The face with its details gone: a Gaussian of deviation 6 pixels, an eighth of the side."""
    import cv2

    return np.asarray(cv2.GaussianBlur(face, (0, 0), 6, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)
