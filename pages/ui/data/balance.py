"""Class balance: faces per class, and a note on imbalance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from fer_core import charts
from fer_core.formatting import percent
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset


def balance(dataset: FaceDataset) -> None:
    """Show the chart of the classes, a note on imbalance, and the counts as a table."""
    per_class = dataset.per_class()
    what = one_of("Show", {"counts": "Counts", "shares": "Shares of each split"}, key="data-balance")
    chart(charts.class_counts(per_class, dataset.classes, shares=what == "shares"), key="data-balance-chart")
    if note := dataset.imbalance():
        st.caption(plain(note))
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(_rows(dataset), hide_index=True)


def _rows(dataset: FaceDataset) -> list[dict[str, Any]]:
    per_class = dataset.per_class()
    present = {split: table for split, table in per_class.items() if sum(table.values())}
    return [
        {
            "class": name,
            **{split: table[name] for split, table in per_class.items()},
            **{f"share of {split}": percent(table[name] / sum(table.values())) for split, table in present.items()},
        }
        for name in dataset.classes
    ]
