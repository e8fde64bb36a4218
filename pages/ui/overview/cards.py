"""The cards of the Overview page: the last run, its most confused pair, and the data in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import streamlit as st

from fer_core.charts import accuracy_overview, class_shares, matrix_overview
from fer_core.evaluation.metrics import most_confused
from fer_core.formatting import percent
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart, dark_theme
from pages.ui.shell.formatting import plain, source_name
from pages.ui.shell.runs import all_runs, curves, state_badge, summary

if TYPE_CHECKING:
    from fer_core.training.runs import Run

_HEIGHT: Final = 230  # of each chart in pixels


def status_cards() -> None:
    """Draw the three cards, the data last, since they may have to be loaded.

    Raises:
        DataError: The data in use cannot be read.
    """
    runs = all_runs()
    run, confusion, data = st.columns([5, 4, 4], gap="small")
    with run.container(border=True, height="stretch", gap="xsmall"):
        _last_run(runs)
    with confusion.container(border=True, height="stretch", gap="xsmall"):
        _most_confused(runs)
    with data.container(border=True, height="stretch", gap="xsmall"):
        _data()


def _last_run(runs: list[Run]) -> None:
    st.caption("Last run")
    if not runs:
        st.markdown("**No run yet**")
        st.markdown("The built-in faces and the default settings are ready. A first training takes a minute or two.")
        st.page_link("pages/train.py", label="Start the first training", icon=":material/play_arrow:")
        return
    run = runs[0]
    about = summary(run)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(about.name)}**", width="content")
        state_badge(run.state)
    st.caption(f"{plain(about.model)} on {plain(about.data)}, protocol {plain(about.protocol)}")
    records = run.records()
    if not records:
        st.markdown("No epoch is finished yet.")
    else:
        leak_free = about.leak_free_text if about.leaky else about.valid_text
        kind = "leak-free" if about.leaky else "validation"
        st.markdown(f"{leak_free} {kind} accuracy")
        figure = accuracy_overview(curves(records, "accuracy"), title="")
        chart(figure, key="overview-curve", height=_HEIGHT, alt=f"Accuracy per epoch of {about.name}")
    st.page_link("pages/train.py", label="Go to training", icon=":material/arrow_forward:")


def _most_confused(runs: list[Run]) -> None:
    st.caption("Most confused")
    found = next((matrix for run in runs if (matrix := _confusion(run)) is not None), None)
    if found is None:
        st.markdown("**No evaluation yet**")
        st.markdown("Evaluate a network to see which expressions it confuses, and the faces behind every cell.")
    else:
        name, split, confusion, classes = found
        pairs = most_confused(confusion, classes, top=1)
        if pairs:
            true, predicted, _, share = pairs[0]
            st.markdown(f"**{plain(true)} → {plain(predicted)}**: {percent(share, 0)} of its faces")
        else:
            st.markdown("**No errors**")
        st.caption(f"{plain(name)}, {split} faces; rows: true label, columns: predicted label")
        title = f"Confusion matrix of {name}"
        figure = matrix_overview(confusion, classes, title="", dark=dark_theme())
        chart(figure, key="overview-matrix", height=_HEIGHT, alt=title)
    st.page_link("pages/evaluate.py", label="Open the matrix", icon=":material/arrow_forward:")


def _confusion(run: Run) -> tuple[str, str, np.ndarray[Any, np.dtype[np.int64]], list[str]] | None:
    """Name, split, matrix and classes of a run's evaluation, on faces it was not trained on; None without one."""
    for split, name in (("test", "test"), ("honest", "never trained on"), ("valid", "validation")):
        record = run.evaluation(split)
        if record is None or (split == "valid" and summary(run).leaky):
            continue
        try:
            matrix = np.asarray(record["confusion"], np.int64)
            classes = list(map(str, record["per_class"]))
        except (ValueError, KeyError, TypeError):
            continue
        if matrix.shape == (len(classes), len(classes)) and matrix.sum():
            return summary(run).name, name, matrix, classes
    return None


def _data() -> None:
    source = session.data_source()
    st.caption("Data")
    dataset = cache.dataset(source)
    st.markdown(f"**{plain(source_name(source))}**, {len(dataset):,} faces")
    st.caption(dataset.counts_text())
    figure = class_shares(dataset.class_counts(), dataset.classes, title="")
    chart(figure, key="overview-shares", height=_HEIGHT, alt="Share of each class")
    st.page_link("pages/data.py", label="Explore the faces", icon=":material/arrow_forward:")
