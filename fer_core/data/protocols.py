"""Protocols: which faces train, which validate, and which give a leak-free figure if the two overlap.

The test split is never used here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.config import Protocol
from fer_core.data.dataset import FaceDataset
from fer_core.data.duplicates import has_duplicate, pixel_groups
from fer_core.errors import ConfigError, DataError

Indices = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ProtocolSplit:
    """Positions in a data set for one training run.

    Attributes:
        protocol: ``official``, ``holdout`` or ``leaky``.
        train: int64, ascending: the faces trained on.
        valid: int64, ascending: the faces validated on; under ``leaky`` these also train.
        leak_free: int64, ascending: faces for the leak-free figure beside a leaky one: never trained on, without a
            duplicate among the training faces and of none of their persons or sessions; None for other protocols.
        warning: what the user must know about the figures, e.g. how validation faces were chosen, or None.
    """

    protocol: Protocol
    train: Indices
    valid: Indices
    leak_free: Indices | None = None
    warning: str | None = None


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Training faces held out for validation; ``how`` is a sentence on which faces stay together."""

    faces: Indices
    how: str


def make_split(dataset: FaceDataset, protocol: str, holdout_share: float, seed: int) -> ProtocolSplit:
    """Choose the faces that train and validate.

    A held-out share keeps exact duplicates on one side, and also the faces of one person or session if
    ``dataset.groups`` is known.

    Args:
        dataset: its test split is not used.
        protocol: ``official``: the data set's own train and valid splits; without validation faces, a share of the
            training faces is held out. ``holdout``: a share of the training faces of each class validates.
            ``leaky``: all training faces train, and a share of the same faces validates.
        holdout_share: share of the training faces that validate, in (0, 1); ignored by ``official`` if the data set
            has validation faces.
        seed: the same seed gives the same split.

    Raises:
        DataError: the data set has no training faces, or too few.
        ConfigError: the protocol is unknown, or the share is outside (0, 1).
    """
    if protocol not in ("official", "holdout", "leaky"):
        raise ConfigError(f"'{protocol}' is not a protocol; choose official, holdout or leaky.")
    train = dataset.indices("train")
    own_valid = np.flatnonzero(dataset.split == "valid")
    if not (protocol == "official" and len(own_valid)) and not 0 < holdout_share < 1:
        raise ConfigError(f"The held-out share must be between 0 and 1, not {holdout_share}.")
    copies = pixel_groups(dataset.images)
    rng = np.random.default_rng(seed)
    if protocol == "leaky":
        return _leaky(dataset, train, own_valid, copies, holdout_share, rng)
    if protocol == "official" and len(own_valid):
        return ProtocolSplit("official", train, own_valid, warning=_overlap(dataset, train, own_valid, copies))
    held_out = _hold_out(dataset, train, copies, holdout_share, rng)
    why = f"{dataset.name} has no validation faces of its own, so " if protocol == "official" else ""
    text = f"{why}{len(held_out.faces):,} of the {len(train):,} training faces validate. {held_out.how}"
    return ProtocolSplit(
        "official" if protocol == "official" else "holdout",
        np.setdiff1d(train, held_out.faces),
        held_out.faces,
        warning=text if why or dataset.groups is not None else None,
    )


def _overlap(dataset: FaceDataset, train: Indices, valid: Indices, copies: Ints) -> str | None:
    """Return how many of the data set's own validation faces overlap with training faces, as text."""
    notes = []
    if count := int(has_duplicate(copies, valid, train).sum()):
        notes.append(
            f"{count:,} of the {len(valid):,} validation faces ({count / len(valid):.1%}) have an exact duplicate among the "
            "training faces, so the validation accuracy is slightly too high."
        )
    if count := int(_of_known_person(dataset, valid, train).sum()):
        notes.append(
            f"{count:,} of the {len(valid):,} validation faces ({count / len(valid):.1%}) show persons or sessions that "
            "also train, so the validation accuracy does not measure new people."
        )
    return " ".join(notes) or None


def _of_known_person(dataset: FaceDataset, faces: Indices, among: Indices) -> npt.NDArray[np.bool_]:
    """Return whether the person or session of each of ``faces`` has a face in ``among``, bool (len(faces),)."""
    if dataset.groups is None:
        return np.zeros(len(faces), bool)
    theirs = dataset.groups[faces]
    known: npt.NDArray[np.bool_] = np.isin(theirs, dataset.groups[among]) & (theirs != "")
    return known


def _leaky(
    dataset: FaceDataset, train: Indices, own_valid: Indices, copies: Ints, share: float, rng: np.random.Generator
) -> ProtocolSplit:
    seen = has_duplicate(copies, own_valid, train) | _of_known_person(dataset, own_valid, train)
    leak_free, how = own_valid[~seen], ""
    if not len(leak_free):  # none, or only duplicates and known persons: hold some out before training
        held_out = _hold_out(dataset, train, copies, share, rng)
        leak_free, how = held_out.faces, f" {held_out.how}" if dataset.groups is not None else ""
        train = np.setdiff1d(train, leak_free)
    return ProtocolSplit(
        "leaky",
        train,
        _share_of_each_class(dataset, train, share, rng),
        leak_free=leak_free,
        warning=(
            "Leaky: the validation faces also train, so the validation accuracy measures memorization. The leak-free "
            f"figure uses {len(leak_free):,} faces that never train and have no duplicate among those that do.{how}"
        ),
    )


def _hold_out(dataset: FaceDataset, train: Indices, copies: Ints, share: float, rng: np.random.Generator) -> _HeldOut:
    """Hold out about ``share`` of the training faces of each class; duplicates and persons stay on one side."""
    if dataset.groups is None or not (dataset.groups[train] != "").any():
        return _HeldOut(_hold_out_copies(dataset, train, copies, share, rng), "Exact duplicates stay on one side.")
    persons = dataset.groups[train]
    member = _kept_together(copies[train], persons)
    chosen = _choose_units(dataset.labels[train], member, len(dataset.classes), share, rng)
    if not chosen.any():
        faces = _hold_out_copies(dataset, train, copies, share, rng)
        return _HeldOut(
            faces,
            "Persons or sessions are on both sides, because holding out whole ones would leave a class without training "
            "faces; so the validation accuracy does not measure new people.",
        )
    held_out = chosen[member]
    gone, all_of_them = set(persons[held_out].tolist()) - {""}, set(persons.tolist()) - {""}
    how = f"Whole persons or sessions were held out: {len(gone):,} of {len(all_of_them):,}."
    counts = np.bincount(dataset.labels[train[held_out]], minlength=len(dataset.classes))
    present = np.bincount(dataset.labels[train], minlength=len(dataset.classes)) > 0
    if missing := [name for name, n, there in zip(dataset.classes, counts, present, strict=True) if there and not n]:
        how += f" None of them has faces of: {', '.join(missing)}."
    return _HeldOut(train[held_out], how)


def _kept_together(copies: Ints, persons: npt.NDArray[np.str_]) -> Ints:
    """Number the units that stay together, int64 (n,): duplicates, faces of one person, and all these connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known = persons != ""
    _, pixels = np.unique(copies, return_inverse=True)
    _, person = np.unique(persons[known], return_inverse=True)
    nodes = pixels.max() + 1 + (person.max() + 1 if len(person) else 0)
    edges = (np.ones(len(person)), (pixels[known], pixels.max() + 1 + person))
    _, component = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    return np.unique(component[pixels], return_inverse=True)[1].astype(np.int64)


def _choose_units(
    labels: Ints, member: Ints, classes: int, share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Choose which units of faces to hold out, bool (units,).

    Visits units in random order and takes a unit if that brings the held-out share of its classes closer to
    ``share``. Then each class without a held-out face gets the unit that costs least. No class loses its last unit.
    """
    counts = np.zeros((int(member.max()) + 1, classes))
    np.add.at(counts, (member, labels), 1)
    total = np.maximum(counts.sum(axis=0), 1)
    shares = counts / total
    has = counts > 0
    left = has.sum(axis=0)  # units that train, for each class
    taken = np.zeros(classes)
    chosen = np.zeros(len(counts), bool)
    order = rng.permutation(len(counts))

    def gain(units: Indices | int) -> npt.NDArray[np.float64]:
        """Return how much closer each unit brings the held-out shares to the target."""
        before, after = (taken - share) ** 2, (taken + shares[units] - share) ** 2
        return np.asarray(np.where(has[units], before - after, 0).sum(axis=-1))

    def take(unit: int) -> None:
        nonlocal taken, left
        chosen[unit] = True
        taken, left = taken + shares[unit], left - has[unit]

    for unit in order:
        if (left[has[unit]] > 1).all() and gain(unit) > 0:
            take(unit)
    for label in range(classes):
        if taken[label] or left[label] < 2:
            continue
        last = (has & (left < 2)).any(axis=1)
        candidates = order[(has[:, label] & ~chosen & ~last)[order]]
        if len(candidates):
            take(int(candidates[gain(candidates).argmax()]))
    return chosen


def _hold_out_copies(
    dataset: FaceDataset, train: Indices, groups: Ints, share: float, rng: np.random.Generator
) -> Indices:
    """Hold out about ``share`` of the training faces of each class, in whole groups of duplicates.

    Returns ascending positions. A group of duplicates with different labels counts for the label of its first face.
    """
    _, first, member = np.unique(groups[train], return_index=True, return_inverse=True)
    sizes = np.bincount(member)
    labels = dataset.labels[train][first]
    chosen = np.zeros(len(sizes), bool)
    for label in range(len(dataset.classes)):
        mine = rng.permutation(np.flatnonzero(labels == label))
        if len(mine) < 2:  # a single face trains; it cannot also validate
            continue
        wanted = max(1.0, share * sizes[mine].sum())
        before = np.concatenate(([0], np.cumsum(sizes[mine])[:-1]))  # faces already chosen before each group
        take = before < wanted
        take[-1] = False  # at least one group must train
        chosen[mine[take]] = True
    if not chosen.any():
        raise DataError(
            f"{dataset.name} has too few training faces to hold some out ({dataset.counts_text()}); "
            "at least two different faces of one class are needed."
        )
    held_out: Indices = train[chosen[member]]
    return held_out


def _share_of_each_class(dataset: FaceDataset, train: Indices, share: float, rng: np.random.Generator) -> Indices:
    """Return ``share`` of the faces of each class, at least one; ascending positions."""
    labels = dataset.labels[train]
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    taken = [rng.permutation(part)[: max(1, round(share * len(part)))] for part in parts]
    shared: Indices = train[np.sort(np.concatenate(taken))]
    return shared
