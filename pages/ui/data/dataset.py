"""What a loaded data set looks like: its counts, its balance, and the button that makes it the data in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from fer_core import charts
from pages.ui.data.wall import random_faces
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import is_built_in, plain, source_name
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


def show_dataset(source: str, dataset: FaceDataset) -> None:
    """Counts, warnings and faces of a loaded set, with the button that makes it the data in use."""
    in_use = source == session.data_source()
    if not is_built_in(source) and source not in session.recent_sources():
        session.remember_source(source)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(plain(source_name(source) if is_built_in(source) else dataset.name), width="content")
        if in_use:
            st.badge("In use", icon=":material/check:", color="green")
        elif st.button("Use this data", type="primary", icon=":material/check:"):
            session.use_data(source)
            session.notify(f"{source_name(source)} is now the data in use.")
            st.rerun()
        if not is_built_in(source) and st.button(
            "Read again", icon=":material/refresh:", type="tertiary", help="After files in it were changed."
        ):
            cache.forget_dataset(source)
            st.rerun()
    with st.container(horizontal=True, gap="medium"):
        st.metric("Faces", f"{len(dataset):,}", width="content")
        for split, n in dataset.counts().items():
            st.metric(split.capitalize(), f"{n:,}", width="content")
        if dataset.votes is not None:
            voted = int((dataset.votes.sum(axis=1) > 0).sum())
            st.metric("With FER+ votes", f"{voted:,}", width="content")
    for warning in dataset.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    _balance(dataset)
    random_faces(source, dataset)
    with st.expander("Identity of this data", icon=":material/fingerprint:"):
        st.write("The fingerprint is computed from every pixel, label and split. A trained model remembers it.")
        st.code(dataset.fingerprint, language=None, wrap_lines=True)
        if not is_built_in(source):
            st.code(source, language=None, wrap_lines=True)


def _balance(dataset: FaceDataset) -> None:
    per_class = dataset.per_class()
    what = one_of("Show", {"counts": "Counts", "shares": "Shares of each split"}, key="data-balance")
    chart(charts.class_counts(per_class, dataset.classes, shares=what == "shares"), key="data-balance-chart")
    with st.expander("As a table", icon=":material/table:"):
        rows: list[dict[str, Any]] = [
            {"emotion": name, **{split: table[name] for split, table in per_class.items()}} for name in dataset.classes
        ]
        st.dataframe(rows, hide_index=True)
