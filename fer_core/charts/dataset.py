"""Faces of each emotion in each split of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fer_core.charts.theme import MUTED, TICK_ANGLES, bar_fill, class_color, legend_above, margins
from fer_core.classes import EMOTIONS, LABELS
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SPLIT_FILLS: Final[dict[str, tuple[str, float]]] = {"train": ("", 1.0), "valid": ("/", 0.75), "test": ("x", 0.5)}
"""Pattern and opacity of a split's bars."""


def class_counts(per_class: Mapping[str, Mapping[str, int]], *, shares: bool = False) -> go.Figure:
    """Faces of each emotion in each split, as stacked counts or as shares within each split side by side.

    Args:
        per_class: split -> emotion -> number of faces, as :meth:`FaceDataset.per_class` gives it.
        shares: show for each split the share of each emotion instead.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    splits = [split for split, table in per_class.items() if sum(table.values())]
    for split in splits:
        table = per_class[split]
        total = sum(table.values())
        for name in LABELS:  # a trace for each bar: plotly takes a pattern's colors one at a time
            figure.add_bar(
                x=[name],
                y=[table[name] / total if shares else table[name]],
                name=split,
                offsetgroup=split if shares else None,
                showlegend=False,
                marker=bar_fill(class_color(name), *_SPLIT_FILLS[split]),
                hovertemplate=f"{name}, {split}: {table[name]:,} faces ({percent(table[name] / total)} of {split})<extra></extra>",
            )
        # The legend tells splits apart, not emotions: a grey sample stands for each.
        sample = bar_fill(MUTED, *_SPLIT_FILLS[split])
        figure.add_bar(x=[LABELS[0]], y=[None], name=split, marker=sample, showlegend=len(splits) > 1)
    if not shares:
        totals = [sum(per_class[split][name] for split in splits) for name in LABELS]
        figure.add_scatter(
            x=list(LABELS),
            y=totals,
            text=[f"{n:,}" for n in totals],
            mode="text",
            textposition="top center",
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
    figure.update_layout(
        title={"text": balance_finding(per_class)},
        barmode="group" if shares else "stack",
        xaxis={"autotickangles": TICK_ANGLES},
        margin=margins(56, 24, 12, 32),
        legend=legend_above(1.04, traceorder="normal", itemclick=False, itemdoubleclick=False),
        yaxis={"title": {"text": "Share of the split" if shares else "Faces"}, "tickformat": ".0%" if shares else ",d"},
    )
    return figure


def balance_finding(per_class: Mapping[str, Mapping[str, int]]) -> str:
    """The title of a class-balance chart: the largest and the smallest class, over all splits together."""
    totals = {e.name: sum(table[e.name] for table in per_class.values()) for e in EMOTIONS}
    n = sum(totals.values())
    largest, smallest = max(totals, key=lambda k: totals[k]), min(totals, key=lambda k: totals[k])
    if totals[largest] == totals[smallest]:
        return f"All classes are equally large: {totals[largest]:,} faces each"
    if totals[largest] <= 1.1 * totals[smallest]:
        return f"The classes are balanced: {totals[smallest]:,} to {totals[largest]:,} faces each"
    return (
        f"{largest.capitalize()} is the largest class ({percent(totals[largest] / n)} of the faces), "
        f"{smallest} the smallest ({percent(totals[smallest] / n)})"
    )
