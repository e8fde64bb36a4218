"""The views of an audit, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from fer_core import charts
from fer_core.evaluation.audit import ExactAudit
from fer_core.jobs import ACTIVE
from pages.ui.audit.suspects import search_of, show_suspects
from pages.ui.audit.walls import show_blanks, show_conflicts, show_copies, show_leaks, show_near_duplicates
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
    """The views, one at a time; each works on its own, without running the whole page again."""
    views: dict[str, tuple[str, Callable[..., None]]] = {
        "leaks": ("Leaks", show_leaks),
        "copies": ("Copies", show_copies),
        "conflicts": ("Conflicts", show_conflicts),
        "blanks": ("Blanks", show_blanks),
        "near": ("Near duplicates", show_near_duplicates),
        "balance": ("Class balance", _balance),
        "suspects": ("Suspect labels", show_suspects),
        "marks": ("Marks", _marks),
        "clean": ("Clean copy", _clean_copy),
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
        st.caption("Where the shares differ between splits, accuracies of the splits cannot be compared directly.")


def _marks(dataset: FaceDataset, found: ExactAudit) -> None:
    with error_boundary("reading the marks"):
        marks_list(read_review(dataset), key="audit-marks-list")


def _clean_copy(dataset: FaceDataset, found: ExactAudit) -> None:
    with error_boundary("explaining the clean copy"):
        st.write(
            "The data itself is never changed. A training can leave out what this page found: switch on “drop "
            "duplicates”, “drop blank” and “use marks” among its settings, or give them on the command line. On the "
            "Evaluate page the same switches stand under Options."
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
            f"Of {len(training):,} training faces {once:,} stay when duplicates go: one of each picture, and none that "
            "also stands in another split."
        )
        st.page_link("pages/train.py", label="Train on a clean copy", icon=":material/model_training:")
