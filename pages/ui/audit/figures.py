"""The figures of an audit, and the page of them to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from fer_core.evaluation.audit import ExactAudit, audit_exact, find_near_duplicates, find_suspect_labels
from fer_core.formatting import percent
from pages.ui.audit.walls import FIRST_DISTANCE
from pages.ui.shell import session
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


@st.cache_resource(max_entries=3, show_spinner="Comparing every face with every other…")
def _exact(key: str, _dataset: FaceDataset) -> ExactAudit:
    return audit_exact(_dataset)


def exact_audit(dataset: FaceDataset) -> ExactAudit:
    """Exact copies, conflicts and blanks; computed once for each content."""
    return _exact(dataset.cache_key, dataset)


def figures_of(dataset: FaceDataset, found: ExactAudit) -> None:
    """The headline: what was found, in numbers, and the page to keep."""
    crossing = sum(len(positions) for positions in found.cross_split.values())
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Redundant images",
            f"{found.duplicates:,}",
            help=f"Images that could go without losing a picture, in {found.duplicate_groups:,} groups of exact copies.",
            width="content",
        )
        st.metric("Groups of copies", f"{found.duplicate_groups:,}", width="content")
        st.metric(
            "Leaks across splits",
            f"{crossing:,}",
            help="Faces of one split whose pixels also stand in another, over all pairs of splits.",
            width="content",
        )
        st.metric(
            "Conflicting groups",
            f"{len(found.conflict_groups):,}",
            help="Groups of copies that carry different labels: at least one of the labels is wrong.",
            width="content",
        )
        st.metric("Blank images", f"{len(found.blank):,}", help="Images of one single grey value.", width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"{plain(dataset.name)}, {len(dataset):,} faces. {percent(found.duplicates / len(dataset))} are redundant.",
            width="stretch",
        )
        st.download_button(
            "Download report (HTML)",
            lambda: _html(dataset, found),
            "audit.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            help="One file with all figures and faces; it needs no network.",
        )


def _html(dataset: FaceDataset, found: ExactAudit) -> str:
    from fer_core.report.audit import audit_html
    from fer_core.training.out_of_fold import find

    pairs = find_near_duplicates(dataset, found.groups, FIRST_DISTANCE)
    job, suspects = find(dataset, workspace=session.workspace()), None
    if job.state == "finished":
        positions, probabilities = job.read()
        suspects = find_suspect_labels(dataset.labels[positions], probabilities, positions)
    return audit_html(dataset, found, pairs, suspects)
