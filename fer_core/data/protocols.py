"""Which faces train, which validate, and which tell the truth when the two overlap.

The test split is never touched here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.classes import LABELS
from fer_core.config import Protocol
from fer_core.data.dataset import FaceDataset
from fer_core.data.duplicates import has_copy, pixel_groups
from fer_core.errors import ConfigError, DataError

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ProtocolSplit:
    """Positions in a data set for one training.

    Attributes:
        protocol: ``official``, ``holdout`` or ``leaky``.
        train: int64, ascending: the faces trained on.
        valid: int64, ascending: the faces validated on; under ``leaky`` they are trained on too.
        honest: int64, ascending: faces never trained on and without a copy among those that are, for the figure that
            stands beside a leaky one; None for the other protocols.
        warning: what the user must know about the figures, or None.
    """

    protocol: Protocol
    train: Indices
    valid: Indices
    honest: Indices | None = None
    warning: str | None = None


def make_split(dataset: FaceDataset, protocol: str, holdout_share: float, seed: int) -> ProtocolSplit:
    """Choose the faces that train and validate.

    Args:
        dataset: its test split is not touched.
        protocol: ``official``: the data set's own train and valid splits. ``holdout``: a share of the training faces
            of each class validates; exact copies stay on one side. ``leaky``: all training faces are trained on, and
            a share of the same faces validates.
        holdout_share: share of the training faces that validate, in (0, 1); not used by ``official``.
        seed: the same seed gives the same choice.

    Raises:
        DataError: the data set lacks the split that is needed, or has too few faces.
        ConfigError: the protocol is unknown, or the share lies outside (0, 1).
    """
    if protocol not in ("official", "holdout", "leaky"):
        raise ConfigError(f"'{protocol}' is not a protocol; choose official, holdout or leaky.")
    if protocol != "official" and not 0 < holdout_share < 1:
        raise ConfigError(f"The held-out share must lie between 0 and 1; it is {holdout_share}.")
    train = dataset.indices("train")
    own_valid = np.flatnonzero(dataset.split == "valid")
    groups = pixel_groups(dataset.images)
    rng = np.random.default_rng(seed)

    if protocol == "official":
        if not len(own_valid):
            raise DataError(
                f"{dataset.name} has no validation faces of its own ({dataset.counts_text()}). "
                "Choose the protocol holdout, which validates on a share of the training faces."
            )
        copies = int(has_copy(groups, own_valid, train).sum())
        warning = (
            f"{copies:,} of the {len(own_valid):,} validation faces ({copies / len(own_valid):.1%}) have an exact copy "
            "among the training faces, so the validation figure is a little too good."
            if copies
            else None
        )
        return ProtocolSplit("official", train, own_valid, warning=warning)

    if protocol == "holdout":
        valid = _hold_out(dataset, train, groups, holdout_share, rng)
        return ProtocolSplit("holdout", np.setdiff1d(train, valid), valid)

    honest = own_valid[~has_copy(groups, own_valid, train)]
    if not len(honest):  # no validation faces, or copies only: hold some out before anything is trained on
        honest = _hold_out(dataset, train, groups, holdout_share, rng)
        train = np.setdiff1d(train, honest)
    valid = _share_of_each_class(dataset, train, holdout_share, rng)
    return ProtocolSplit(
        "leaky",
        train,
        valid,
        honest=honest,
        warning=(
            "Leaky: the validation faces are trained on too, so the validation figure measures memory, not skill. "
            f"The honest figure is that on {len(honest):,} faces that were never trained on and have no copy there."
        ),
    )


def _hold_out(
    dataset: FaceDataset, train: Indices, groups: npt.NDArray[np.int64], share: float, rng: np.random.Generator
) -> Indices:
    """About ``share`` of the training faces of each class, in whole groups of copies; ascending positions.

    A group whose copies carry different labels counts for the label of its first face.
    """
    _, first, member = np.unique(groups[train], return_index=True, return_inverse=True)
    sizes = np.bincount(member)
    labels = dataset.labels[train][first]
    chosen = np.zeros(len(sizes), bool)
    for label in range(len(LABELS)):
        mine = rng.permutation(np.flatnonzero(labels == label))
        if len(mine) < 2:  # a class of one face trains; it cannot do both
            continue
        wanted = max(1.0, share * sizes[mine].sum())
        before = np.concatenate(([0], np.cumsum(sizes[mine])[:-1]))  # faces already chosen when each group comes up
        take = before < wanted
        take[-1] = False  # something must be left to train on
        chosen[mine[take]] = True
    if not chosen.any():
        raise DataError(
            f"{dataset.name} has too few training faces to hold some out ({dataset.counts_text()}); "
            "at least two different faces of one class are needed."
        )
    held_out: Indices = train[chosen[member]]
    return held_out


def _share_of_each_class(dataset: FaceDataset, train: Indices, share: float, rng: np.random.Generator) -> Indices:
    """``share`` of the faces of each class, at least one; ascending positions."""
    labels = dataset.labels[train]
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    taken = [rng.permutation(part)[: max(1, round(share * len(part)))] for part in parts]
    shared: Indices = train[np.sort(np.concatenate(taken))]
    return shared
