"""Faces of each class in each split of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fer_core.charts.theme import MUTED, bar_fill, class_axis, escaped, legend_above, margins, tick_names
from fer_core.classes import ClassList
from fer_core.formatting import capitalized, percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SPLIT_FILLS: Final[dict[str, tuple[str, float]]] = {"train": ("", 1.0), "valid": ("/", 0.75), "test": ("x", 0.5)}
"""Pattern and opacity of a split's bars."""
_MOST_TOTALS: Final = 12
"""With more classes than this no number stands above a bar."""


def class_counts(per_class: Mapping[str, Mapping[str, int]], classes: ClassList, *, shares: bool = False) -> go.Figure:
    """Faces of each class in each split, as stacked counts or as shares within each split side by side.

    Args:
        per_class: split -> class -> number of faces, as :meth:`FaceDataset.per_class` gives it.
        classes: of the data set.
        shares: show for each split the share of each class instead.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    ticks = tick_names(classes)
    splits = [split for split, table in per_class.items() if sum(table.values())]
    for split in splits:
        table = per_class[split]
        total = sum(table.values())
        for name, tick, color in zip(
            classes, ticks, classes.colors, strict=True
        ):  # a trace for each bar: plotly takes a pattern's colors one at a time
            figure.add_bar(
                x=[tick],
                y=[table[name] / total if shares else table[name]],
                name=split,
                offsetgroup=split if shares else None,
                showlegend=False,
                marker=bar_fill(color, *_SPLIT_FILLS[split]),
                hovertemplate=f"{escaped(name)}, {split}: {table[name]:,} faces ({percent(table[name] / total)} of {split})"
                "<extra></extra>",
            )
        # The legend tells splits apart, not classes: a grey sample stands for each.
        sample = bar_fill(MUTED, *_SPLIT_FILLS[split])
        figure.add_bar(x=[ticks[0]], y=[None], name=split, marker=sample, showlegend=len(splits) > 1)
    if not shares and len(classes) <= _MOST_TOTALS:
        totals = [sum(per_class[split][name] for split in splits) for name in classes]
        figure.add_scatter(
            x=ticks,
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
        xaxis=class_axis(classes),
        margin=margins(56, 24, 12, 32),
        legend=legend_above(1.04, traceorder="normal", itemclick=False, itemdoubleclick=False),
        yaxis={"title": {"text": "Share of the split" if shares else "Faces"}, "tickformat": ".0%" if shares else ",d"},
    )
    return figure


def balance_finding(per_class: Mapping[str, Mapping[str, int]]) -> str:
    """The title of a class-balance chart: the largest and the smallest class, over all splits together."""
    totals = {name: sum(table[name] for table in per_class.values()) for name in next(iter(per_class.values()))}
    n = sum(totals.values())
    largest, smallest = max(totals, key=lambda k: totals[k]), min(totals, key=lambda k: totals[k])
    if totals[largest] == totals[smallest]:
        return f"All classes are equally large: {totals[largest]:,} faces each"
    if totals[largest] <= 1.1 * totals[smallest]:
        return f"The classes are balanced: {totals[smallest]:,} to {totals[largest]:,} faces each"
    return (
        f"{capitalized(largest)} is the largest class ({percent(totals[largest] / n)} of the faces), "
        f"{smallest} the smallest ({percent(totals[smallest] / n)})"
    )
