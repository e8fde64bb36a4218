"""Which faces train, which validate, and which tell the truth when the two overlap.

The test split is never touched here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer_core.config import Protocol
from fer_core.data.dataset import FaceDataset
from fer_core.data.duplicates import has_copy, pixel_groups
from fer_core.errors import ConfigError, DataError

Indices = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ProtocolSplit:
    """Positions in a data set for one training.

    Attributes:
        protocol: ``official``, ``holdout`` or ``leaky``.
        train: int64, ascending: the faces trained on.
        valid: int64, ascending: the faces validated on; under ``leaky`` they are trained on too.
        honest: int64, ascending: faces never trained on, without a copy and of no person or session among those that
            are, for the figure that stands beside a leaky one; None for the other protocols.
        warning: what the user must know about the figures, such as how validation faces were found, or None.
    """

    protocol: Protocol
    train: Indices
    valid: Indices
    honest: Indices | None = None
    warning: str | None = None


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Training faces that validate instead; ``how`` says what stayed together, a sentence for the user."""

    faces: Indices
    how: str


def make_split(dataset: FaceDataset, protocol: str, holdout_share: float, seed: int) -> ProtocolSplit:
    """Choose the faces that train and validate.

    Where faces of the train split are held out, exact copies stay on one side, and so do the faces of one person or
    session where ``dataset.groups`` knows them.

    Args:
        dataset: its test split is not touched.
        protocol: ``official``: the data set's own train and valid splits; where it has no validation faces, a share of
            the training faces is held out. ``holdout``: a share of the training faces of each class validates.
            ``leaky``: all training faces are trained on, and a share of the same faces validates.
        holdout_share: share of the training faces that validate, in (0, 1); not used by ``official`` where the data
            set has validation faces.
        seed: the same seed gives the same choice.

    Raises:
        DataError: the data set has no training faces, or too few.
        ConfigError: the protocol is unknown, or the share lies outside (0, 1).
    """
    if protocol not in ("official", "holdout", "leaky"):
        raise ConfigError(f"'{protocol}' is not a protocol; choose official, holdout or leaky.")
    train = dataset.indices("train")
    own_valid = np.flatnonzero(dataset.split == "valid")
    if not (protocol == "official" and len(own_valid)) and not 0 < holdout_share < 1:
        raise ConfigError(f"The held-out share must lie between 0 and 1; it is {holdout_share}.")
    copies = pixel_groups(dataset.images)
    rng = np.random.default_rng(seed)
    if protocol == "leaky":
        return _leaky(dataset, train, own_valid, copies, holdout_share, rng)
    if protocol == "official" and len(own_valid):
        return ProtocolSplit("official", train, own_valid, warning=_overlap(dataset, train, own_valid, copies))
    held_out = _hold_out(dataset, train, copies, holdout_share, rng)
    why = f"{dataset.name} has no validation faces of its own, so " if protocol == "official" else ""
    said = f"{why}{len(held_out.faces):,} of the {len(train):,} training faces validate. {held_out.how}"
    return ProtocolSplit(
        "official" if protocol == "official" else "holdout",
        np.setdiff1d(train, held_out.faces),
        held_out.faces,
        warning=said if why or dataset.groups is not None else None,
    )


def _overlap(dataset: FaceDataset, train: Indices, valid: Indices, copies: Ints) -> str | None:
    """What of a data set's own validation faces is also trained on."""
    notes = []
    if count := int(has_copy(copies, valid, train).sum()):
        notes.append(
            f"{count:,} of the {len(valid):,} validation faces ({count / len(valid):.1%}) have an exact copy among the "
            "training faces, so the validation figure is a little too good."
        )
    if count := int(_of_known_person(dataset, valid, train).sum()):
        notes.append(
            f"{count:,} of the {len(valid):,} validation faces ({count / len(valid):.1%}) are of persons or sessions that "
            "train too, so the validation figure does not say how well new people are recognised."
        )
    return " ".join(notes) or None


def _of_known_person(dataset: FaceDataset, faces: Indices, among: Indices) -> npt.NDArray[np.bool_]:
    """For each of ``faces``, whether its person or session has a face in ``among``, bool (len(faces),)."""
    if dataset.groups is None:
        return np.zeros(len(faces), bool)
    theirs = dataset.groups[faces]
    known: npt.NDArray[np.bool_] = np.isin(theirs, dataset.groups[among]) & (theirs != "")
    return known


def _leaky(
    dataset: FaceDataset, train: Indices, own_valid: Indices, copies: Ints, share: float, rng: np.random.Generator
) -> ProtocolSplit:
    seen = has_copy(copies, own_valid, train) | _of_known_person(dataset, own_valid, train)
    honest, how = own_valid[~seen], ""
    if not len(honest):  # none, or copies and known persons only: hold some out before anything is trained on
        held_out = _hold_out(dataset, train, copies, share, rng)
        honest, how = held_out.faces, f" {held_out.how}" if dataset.groups is not None else ""
        train = np.setdiff1d(train, honest)
    return ProtocolSplit(
        "leaky",
        train,
        _share_of_each_class(dataset, train, share, rng),
        honest=honest,
        warning=(
            "Leaky: the validation faces are trained on too, so the validation figure measures memory, not skill. "
            f"The honest figure is that on {len(honest):,} faces that were never trained on and have no copy there.{how}"
        ),
    )


def _hold_out(dataset: FaceDataset, train: Indices, copies: Ints, share: float, rng: np.random.Generator) -> _HeldOut:
    """About ``share`` of the training faces of each class, ascending; copies and persons stay on one side."""
    if dataset.groups is None or not (dataset.groups[train] != "").any():
        return _HeldOut(_hold_out_copies(dataset, train, copies, share, rng), "Exact copies stay on one side.")
    persons = dataset.groups[train]
    member = _kept_together(copies[train], persons)
    chosen = _choose_units(dataset.labels[train], member, len(dataset.classes), share, rng)
    if not chosen.any():
        faces = _hold_out_copies(dataset, train, copies, share, rng)
        return _HeldOut(
            faces,
            "Persons or sessions stand on both sides, because holding whole ones out would leave a class without training "
            "faces; so the validation figure does not say how well new people are recognised.",
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
    """A number for each face, int64 (n,): equal for copies, for faces of one person, and for all that these connect."""
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
    """Which units of faces that stay together are held out, bool (units,).

    Units come up in random order, and one is taken where that brings the held-out share of the classes nearer to
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
        """How much nearer to the wanted share the held-out faces come with each unit."""
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
    """About ``share`` of the training faces of each class, in whole groups of copies; ascending positions.

    A group whose copies carry different labels counts for the label of its first face.
    """
    _, first, member = np.unique(groups[train], return_index=True, return_inverse=True)
    sizes = np.bincount(member)
    labels = dataset.labels[train][first]
    chosen = np.zeros(len(sizes), bool)
    for label in range(len(dataset.classes)):
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
