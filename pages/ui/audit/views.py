"""The views of an audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from fer_core import charts
from fer_core.evaluation.audit import ExactAudit
from fer_core.jobs import ACTIVE
from pages.ui.audit.grids import show_blanks, show_conflicts, show_duplicates, show_leaks, show_near_duplicates
from pages.ui.audit.suspects import search_of, show_suspects
from pages.ui.review.marking import marks_list
from pages.ui.review.review import read_review
from pages.ui.shell import session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


_POLL = 2.0  # seconds


def show(dataset: FaceDataset, found: ExactAudit) -> None:
    """Draw the selected view; each reruns without the rest of the page."""
    views: dict[str, tuple[str, Callable[..., None]]] = {
        "leaks": ("Leaks", show_leaks),
        "duplicates": ("Duplicates", show_duplicates),
        "conflicts": ("Conflicts", show_conflicts),
        "blanks": ("Blanks", show_blanks),
        "near": ("Near-duplicates", show_near_duplicates),
        "balance": ("Class balance", _balance),
        "suspects": ("Suspect labels", show_suspects),
        "marks": ("Marks", _marks),
        "clean": ("Clean data", _clean_copy),
    }
    chosen = one_of("View", {name: title for name, (title, _) in views.items()}, key="audit-view")
    title, draw = views[chosen]
    with error_boundary(f"showing {title}"):
        if chosen == "suspects" and search_of(dataset).state in ACTIVE:
            st.fragment(draw, run_every=_POLL)(dataset, found, following=True)
        else:
            st.fragment(draw)(dataset, found)


def _balance(dataset: FaceDataset, found: ExactAudit) -> None:
    with error_boundary("drawing the class balance"):
        chart(charts.class_counts(found.counts, dataset.classes, shares=True), key="audit-balance", height=380)
        st.caption("If the shares differ between splits, their accuracies are not directly comparable.")


def _marks(dataset: FaceDataset, found: ExactAudit) -> None:
    with error_boundary("reading the marks"):
        marks_list(read_review(dataset), key="audit-marks-list")


def _clean_copy(dataset: FaceDataset, found: ExactAudit) -> None:
    with error_boundary("explaining clean data"):
        st.write(
            "FER Lab never changes the data. To exclude what this page found from a training, switch on “drop duplicates”, "
            "“drop blank” and “use marks” in its settings or on the command line. The Evaluate page has the same "
            "switches under Options."
        )
        st.code(
            f'python -m fer_core train --data "{session.data_source()}" --drop-duplicates --drop-blank --use-marks',
            language="bash",
            wrap_lines=True,
        )
        training = np.flatnonzero(dataset.split == "train")
        elsewhere = np.isin(found.groups[training], found.groups[dataset.split != "train"])
        once = len(np.unique(found.groups[training[~elsewhere]]))
        st.caption(
            f"{once:,} of {len(training):,} training faces remain without duplicates: one of each image, and none that is "
            "also in another split."
        )
        st.page_link("pages/train.py", label="Train on clean data", icon=":material/model_training:")
