"""Data audit: duplicates within and across splits, conflicting labels, blank images, suspect labels.

The functions are pure: arrays in, records out. Suspect labels need out-of-fold probabilities from the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.data import FaceDataset
from fer_core.data.cleaning import blank
from fer_core.data.dataset import SPLITS
from fer_core.data.duplicates import pixel_groups
from fer_core.errors import DataError
from fer_core.images.perceptual_hash import near_pairs, perceptual_hashes

Ints = npt.NDArray[np.int64]

_LOWEST_CONTRAST: Final = 5  # standard deviation of gray values
_BLOCK: Final = 4096  # images whose float copies are in memory at once


@dataclass(frozen=True, eq=False)
class ExactAudit:
    """Findings that need only the pixels and labels.

    Attributes:
        groups: int64 (N,), group number; images with identical pixels share one.
        duplicates: number of images beyond the first of each group: Σ over groups of (size − 1).
        duplicate_groups: number of groups with two or more images.
        cross_split: ``"train/test"`` -> positions of images of the second split with a duplicate in the first.
        conflict_groups: positions of each group whose duplicates have different labels.
        blank: positions of images with a single gray value.
        counts: number of faces by split and label.
    """

    groups: Ints
    duplicates: int
    duplicate_groups: int
    cross_split: dict[str, Ints]
    conflict_groups: list[Ints]
    blank: Ints
    counts: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "redundant": self.duplicates,
            "duplicates": self.duplicates,
            "groups": self.duplicate_groups,
            "cross_split": {pair: {"images": len(found)} for pair, found in self.cross_split.items()},
            "label_conflict_groups": len(self.conflict_groups),
            "label_conflict_images": sum(len(group) for group in self.conflict_groups),
            "blank": len(self.blank),
            "per_class": self.counts,
        }


def audit_exact(dataset: FaceDataset) -> ExactAudit:
    """Find exact duplicates, conflicting labels and blank images."""
    groups = pixel_groups(dataset.images)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    several = [group for group in members if len(group) > 1]
    cross = {}
    for first, second in combinations(SPLITS, 2):
        at_second = np.flatnonzero(dataset.split == second)
        known = groups[dataset.split == first]
        cross[f"{first}/{second}"] = at_second[np.isin(groups[at_second], known)]
    return ExactAudit(
        groups=groups,
        duplicates=sum(len(group) - 1 for group in several),
        duplicate_groups=len(several),
        cross_split=cross,
        conflict_groups=[group for group in several if len(np.unique(dataset.labels[group])) > 1],
        blank=np.flatnonzero(blank(dataset.images)),
        counts=dataset.per_class(),
    )


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Pairs of near-duplicates.

    Attributes:
        first, second: int64 (M,), positions, first < second.
        distance: int64 (M,), number of differing bits (of 64), ascending.
    """

    first: Ints
    second: Ints
    distance: Ints

    def within(self, threshold: int) -> NearDuplicates:
        """Return the pairs that differ in at most ``threshold`` bits."""
        keep = self.distance <= threshold
        return NearDuplicates(self.first[keep], self.second[keep], self.distance[keep])


def find_near_duplicates(dataset: FaceDataset, groups: Ints, largest: int = 8) -> NearDuplicates:
    """Find pairs of images whose perceptual hashes differ in at most ``largest`` of 64 bits, closest first.

    Each group of exact duplicates is represented by one image. Blank and other low-contrast images are excluded
    because their hashes are meaningless.
    """
    _, first_of_group = np.unique(groups, return_index=True)
    candidates = np.sort(first_of_group)
    blocks = (candidates[start : start + _BLOCK] for start in range(0, len(candidates), _BLOCK))
    contrast = [dataset.images[block].reshape(len(block), -1).std(axis=1) for block in blocks]
    candidates = candidates[np.concatenate(contrast) > _LOWEST_CONTRAST]
    first, second, distance = near_pairs(perceptual_hashes(dataset.images, candidates), largest)
    return NearDuplicates(candidates[first], candidates[second], distance)


@dataclass(frozen=True, eq=False)
class SuspectLabels:
    """Likely label errors found by confident learning (Northcutt et al. 2021).

    Attributes:
        positions: int64 (M,), most suspect first.
        suggested: int64 (M,), most probable class out of fold.
        quality: float64 (M,), out-of-fold probability of the given label; lower is more suspect.
        agreement: share of all labels that the out-of-fold predictions agree with. If it is low, many suspects are
            errors of the networks instead.
    """

    positions: Ints
    suggested: Ints
    quality: npt.NDArray[np.float64]
    agreement: float

    @property
    def caution(self) -> str:
        """A caution to show with the list."""
        return (
            f"The networks agree with {self.agreement:.0%} of the labels of faces they were not trained on. The further down "
            "the list, the more often the network is wrong, not the label. Check each face before you mark it."
        )


def find_suspect_labels(labels: Ints, probabilities: npt.NDArray[np.floating], positions: Ints) -> SuspectLabels:
    """Find labels that confident learning considers wrong, given out-of-fold probabilities.

    Args:
        labels: int64 (N,).
        probabilities: out-of-fold probabilities, float (N, C).
        positions: int64 (N,), positions of the faces in the data set.

    Raises:
        DataError: the shapes do not match, or the data have fewer than two classes.
    """
    from cleanlab.filter import find_label_issues

    if probabilities.ndim != 2 or len(probabilities) != len(labels) or positions.shape != labels.shape:
        raise DataError("Labels, probabilities and positions belong to different faces. Recompute the probabilities.")
    if len(labels) and labels.max() >= probabilities.shape[1]:
        raise DataError("The probabilities cover fewer classes than the labels. Recompute them.")
    present = np.unique(labels)
    if len(present) < 2:
        raise DataError("Finding suspect labels needs data with at least two classes.")
    # cleanlab requires every class 0…K-1 to occur; drop the missing ones and renormalize
    columns = probabilities[:, present] / probabilities[:, present].sum(axis=1, keepdims=True)
    compact = np.searchsorted(present, labels)
    ranked = np.asarray(
        find_label_issues(compact, columns, return_indices_ranked_by="self_confidence", n_jobs=1), dtype=np.int64
    )
    return SuspectLabels(
        positions=positions[ranked],
        suggested=present[columns[ranked].argmax(axis=1)],
        quality=np.asarray(probabilities[ranked, labels[ranked]], dtype=np.float64),
        agreement=float((columns.argmax(axis=1) == compact).mean()),
    )
