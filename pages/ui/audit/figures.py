"""The headline figures of an audit, and the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from fer_core.evaluation.audit import ExactAudit, audit_exact, find_near_duplicates, find_suspect_labels
from fer_core.formatting import percent
from pages.ui.audit.grids import FIRST_DISTANCE
from pages.ui.shell import session
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.workspace import Workspace


@st.cache_resource(max_entries=3, show_spinner="Comparing every face with every other…")
def _exact(key: str, _dataset: FaceDataset) -> ExactAudit:
    return audit_exact(_dataset)


def exact_audit(dataset: FaceDataset) -> ExactAudit:
    """Find exact duplicates, conflicts and blank images; computed once per content."""
    return _exact(dataset.cache_key, dataset)


def figures_of(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw the headline figures and the download of the report."""
    crossing = sum(len(positions) for positions in found.cross_split.values())
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Duplicates",
            f"{found.duplicates:,}",
            help=f"Images that repeat another one exactly, in {found.duplicate_groups:,} groups.",
            width="content",
        )
        st.metric("Duplicate groups", f"{found.duplicate_groups:,}", width="content")
        st.metric(
            "Leaks across splits",
            f"{crossing:,}",
            help="Images with an exact duplicate in another split, over all pairs of splits.",
            width="content",
        )
        st.metric(
            "Conflicting groups",
            f"{len(found.conflict_groups):,}",
            help="Groups of duplicates with different labels: at least one label is wrong.",
            width="content",
        )
        st.metric("Blank images", f"{len(found.blank):,}", help="Images with a single gray value.", width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"{plain(dataset.name)}, {len(dataset):,} faces. {percent(found.duplicates / len(dataset))} are duplicates.",
            width="stretch",
        )
        st.download_button(
            "Download report (HTML)",
            partial(_html, dataset, found, session.workspace()),
            "audit.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            help="One file with all figures and faces; it needs no network.",
        )


def _html(dataset: FaceDataset, found: ExactAudit, workspace: Workspace) -> str:
    from fer_core.report.audit import audit_html
    from fer_core.training.out_of_fold import find

    pairs = find_near_duplicates(dataset, found.groups, FIRST_DISTANCE)
    job, suspects = find(dataset, workspace=workspace), None
    if job.state == "finished":
        positions, probabilities = job.read()
        suspects = find_suspect_labels(dataset.labels[positions], probabilities, positions)
    return audit_html(dataset, found, pairs, suspects)
