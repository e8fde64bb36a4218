"""How many faces each class has, and what follows where some have few or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from fer_core import charts
from fer_core.formatting import capitalized, percent
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_LARGE: Final = 3.0  # times as many faces in the largest class as in the smallest


def balance(dataset: FaceDataset) -> None:
    """The chart of the classes, what an imbalance means for a training, and the numbers as a table."""
    per_class = dataset.per_class()
    what = one_of("Show", {"counts": "Counts", "shares": "Shares of each split"}, key="data-balance")
    chart(charts.class_counts(per_class, dataset.classes, shares=what == "shares"), key="data-balance-chart")
    if words := imbalance(per_class["train"]):
        st.caption(plain(words))
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(_rows(dataset), hide_index=True)


def imbalance(training: dict[str, int]) -> str:
    """What the numbers of training faces mean for a training; empty where they are nearly equal."""
    present = {name: n for name, n in training.items() if n}
    if len(present) < 2:
        return ""
    largest, smallest = max(present, key=lambda name: present[name]), min(present, key=lambda name: present[name])
    ratio = present[largest] / present[smallest]
    if ratio < 1.5:
        return ""
    words = f"{capitalized(largest)} has {ratio:.1f} times as many training faces as {smallest}."
    if ratio >= _LARGE:
        words += (
            " A network learns to predict rare classes rarely; Class weights among the training settings make their "
            "faces count more."
        )
    return words


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
