"""Class counts per split of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from fer_core.charts.theme import MUTED, bar_fill, class_axis, escaped, legend_above, margins, tick_names
from fer_core.classes import ClassList
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SPLIT_FILLS: Final[dict[str, tuple[str, float]]] = {"train": ("", 1.0), "valid": ("/", 0.75), "test": ("x", 0.5)}
"""Pattern and opacity of the bars of a split."""
_MOST_TOTALS: Final = 12
"""Maximum number of classes with totals above the bars."""


def class_counts(per_class: Mapping[str, Mapping[str, int]], classes: ClassList, *, shares: bool = False) -> go.Figure:
    """Plot the faces per class and split, as stacked counts or as grouped shares of each split.

    Args:
        per_class: split -> class -> number of faces, see :meth:`FaceDataset.per_class`.
        classes: classes of the data set.
        shares: plot shares of each split instead of counts.
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
        ):  # one trace per bar: Plotly patterns support one color per trace
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
        # The legend identifies splits by gray samples, not classes.
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
    """Return the title of a class-balance chart: the largest and smallest class over all splits."""
    totals = {name: sum(table[name] for table in per_class.values()) for name in next(iter(per_class.values()))}
    n = sum(totals.values())
    largest, smallest = max(totals, key=lambda k: totals[k]), min(totals, key=lambda k: totals[k])
    if totals[largest] == totals[smallest]:
        return f"All classes have {totals[largest]:,} faces"
    if totals[largest] <= 1.1 * totals[smallest]:
        return f"Balanced classes: {totals[smallest]:,}–{totals[largest]:,} faces each"
    return f"Largest class: {largest} ({percent(totals[largest] / n)}); smallest: {smallest} ({percent(totals[smallest] / n)})"
