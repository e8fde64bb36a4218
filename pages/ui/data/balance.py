"""How many faces each class has, and what follows where some have few or none."""

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
    """The chart of the classes, what an imbalance means for a training, and the numbers as a table."""
    per_class = dataset.per_class()
    what = one_of("Show", {"counts": "Counts", "shares": "Shares of each split"}, key="data-balance")
    chart(charts.class_counts(per_class, dataset.classes, shares=what == "shares"), key="data-balance-chart")
    if words := dataset.imbalance():
        st.caption(plain(words))
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
