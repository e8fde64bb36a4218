"""Grids of the faces behind the figures: leaks, duplicates, conflicts, blank images and near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.evaluation.audit import ExactAudit, NearDuplicates, find_near_duplicates
from fer_core.formatting import joined, percent
from pages.ui.components.gallery import Group, Tile, gallery, pager
from pages.ui.review.dialog import face_dialog
from pages.ui.review.marking import mark_bar
from pages.ui.review.review import Review, read_review
from pages.ui.review.rows import face_tile
from pages.ui.review.state import MarkingState
from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


PER_PAGE: Final = 48
GROUPS_PER_PAGE: Final = 12
LARGEST_DISTANCE: Final = 8  # bits of 64; beyond that, most pairs show different people
FIRST_DISTANCE: Final = 4


@st.cache_resource(max_entries=3, show_spinner="Comparing the perceptual hashes of all faces…")
def _near(key: str, _dataset: FaceDataset, _groups: npt.NDArray[np.int64]) -> NearDuplicates:
    return find_near_duplicates(_dataset, _groups, LARGEST_DISTANCE)


def _caption(dataset: FaceDataset, index: int) -> str:
    return f"{dataset.split[index]}: {dataset.label_name(index)}"


def marked_tile(review: Review, index: int, caption: str | None = None) -> Tile:
    """Return a tile of a face with its split and label, or another caption, and its mark."""
    return face_tile(review.dataset, index, review.caption(index, caption or _caption(review.dataset, index)))


def wall_of(review: Review, groups: Sequence[Group], *, key: str, suggestions: dict[int, int] | None = None) -> None:
    """Draw groups of faces that can be opened and marked, below the bar of marks."""
    bar = st.container()
    picked = gallery(
        groups, key=f"{key}-{review.dataset.cache_key[:12]}-{session.state_of(MarkingState).round}", selectable=True
    )
    with bar, error_boundary("marking faces"):
        mark_bar(review, [int(i) for i in picked.selected], key="audit", suggestions=suggestions)
    if picked.opened is not None:
        face_dialog(review, int(picked.opened))


def _group_wall(dataset: FaceDataset, members: Sequence[npt.NDArray[np.int64]], *, key: str) -> None:
    review = read_review(dataset)
    page = pager(len(members), GROUPS_PER_PAGE, key=key)
    shown = []
    for number, group in enumerate(members[page], page.start + 1):
        names = sorted({dataset.label_name(int(i)) for i in group})
        note = f"{len(group):,} duplicates, labeled {joined(names)}"
        shown.append(Group([marked_tile(review, int(i)) for i in group[:24]], f"Group {number:,}", note))
    wall_of(review, shown, key=f"{key}-{page.start}")


def show_leaks(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw faces with an exact duplicate in another split."""
    with error_boundary("showing the leaks"):
        pairs = {pair: positions for pair, positions in found.cross_split.items() if len(positions)}
        if not pairs:
            st.success("No image is in two splits.", icon=":material/check_circle:")
            return
        titles = {pair: f"{pair.replace('/', ' → ')} ({len(positions):,})" for pair, positions in pairs.items()}
        pair = one_of("Splits", titles, key="audit-pair")
        first, second = pair.split("/")
        positions = pairs[pair]
        share = len(positions) / dataset.counts()[second]
        st.markdown(
            f"**{len(positions):,} {second} images ({percent(share)}) are exact duplicates of {first} images.** "
            f"They inflate an accuracy measured on {second}."
        )
        groups = found.groups
        at_first = np.flatnonzero(dataset.split == first)
        review = read_review(dataset)
        page = pager(len(positions), GROUPS_PER_PAGE, key=f"leak-{pair}")
        shown = []
        for index in positions[page]:
            twins = at_first[groups[at_first] == groups[index]]
            tiles = [marked_tile(review, int(i)) for i in (index, *twins[:11])]
            shown.append(Group(tiles, note=Path(str(dataset.ids[index])).name))
        wall_of(review, shown, key=f"leak-{pair}-{page.start}")


def show_duplicates(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw groups of exact duplicates, largest first."""
    with error_boundary("showing the duplicates"):
        order = np.argsort(found.groups, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(found.groups[order])) + 1)
        members = sorted((part for part in parts if len(part) > 1), key=len, reverse=True)
        if not members:
            st.success("The data have no duplicates.", icon=":material/check_circle:")
            return
        st.markdown(f"**{len(members):,} groups of exact duplicates**, largest first")
        _group_wall(dataset, members, key="duplicates")


def show_conflicts(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw groups of duplicates with different labels."""
    with error_boundary("showing the conflicts"):
        if not found.conflict_groups:
            st.success("All duplicates have the same label.", icon=":material/check_circle:")
            return
        images = sum(len(group) for group in found.conflict_groups)
        st.markdown(
            f"**{len(found.conflict_groups):,} groups of duplicates ({images:,} images) have different labels**"
        )
        _group_wall(dataset, found.conflict_groups, key="conflicts")


def show_blanks(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw images with a single gray value."""
    with error_boundary("showing the blanks"):
        if not len(found.blank):
            st.success("No image is blank.", icon=":material/check_circle:")
            return
        st.markdown(f"**{len(found.blank):,} images have a single gray value** but still a label")
        review = read_review(dataset)
        page = pager(len(found.blank), PER_PAGE, key="blanks")
        wall_of(
            review,
            [Group([marked_tile(review, int(i)) for i in found.blank[page]])],
            key=f"blanks-{page.start}",
        )


def show_near_duplicates(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw pairs of near-duplicates up to an adjustable distance."""
    with error_boundary("finding near-duplicates"):
        pairs = _near(dataset.cache_key, dataset, found.groups)
        threshold = st.slider(
            "Maximum distance (of 64 bits)",
            0,
            LARGEST_DISTANCE,
            FIRST_DISTANCE,
            key="near-threshold",
            help="Hamming distance of perceptual hashes. If the pairs are different photos, the threshold is too high.",
        )
        within = pairs.within(threshold)
        crossing = int((dataset.split[within.first] != dataset.split[within.second]).sum())
        if not len(within.first):
            st.success("No two different images are that close.", icon=":material/check_circle:")
            return
        st.markdown(
            f"**{len(within.first):,} pairs of near-duplicates**, {crossing:,} of them across splits, most different first"
        )
        review = read_review(dataset)
        page = pager(len(within.first), GROUPS_PER_PAGE, key=f"near-{threshold}")
        shown = []
        for a, b, bits in list(zip(within.first[::-1], within.second[::-1], within.distance[::-1], strict=True))[page]:
            tiles = [marked_tile(review, int(a)), marked_tile(review, int(b))]
            shown.append(Group(tiles, f"{bits} bits apart"))
        wall_of(review, shown, key=f"near-{threshold}-{page.start}")
