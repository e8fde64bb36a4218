"""Probabilities of one face as bars, and of one person over a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import class_color, legend_above, margins
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go


def probability_bars(
    labels: Sequence[str],
    values: npt.NDArray[np.floating],
    title: str,
    *,
    other: npt.NDArray[np.floating] | None = None,
    names: tuple[str, str] = ("now", "before"),
    digits: int = 0,
) -> go.Figure:
    """Probabilities (C,) as bars in the emotions' colors, the first label on top.

    Args:
        labels: Class names.
        values: One probability in 0…1 for each.
        title: The finding.
        other: A second set to compare with, drawn hollow beneath.
        names: What the two sets are called.
        digits: Decimals of the percentages beside the bars.
    """
    import plotly.graph_objects as go

    colors = [class_color(name) for name in labels]
    figure = go.Figure()

    def bars(share: npt.NDArray[np.floating], name: str, hollow: bool) -> None:
        fill = ["rgba(0,0,0,0)"] * len(colors) if hollow else colors
        figure.add_bar(
            y=list(labels),
            x=[float(p) for p in share],
            name=name,
            orientation="h",
            marker={"color": fill, "line": {"color": colors, "width": 1.5 if hollow else 0}},
            text=[percent(float(p), digits) for p in share],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}, " + name + ": %{x:.1%}<extra></extra>",
        )

    if other is not None:
        bars(other, names[1], hollow=True)
    bars(values, names[0], hollow=False)
    figure.update_layout(
        title={"text": title},
        barmode="group",
        bargap=0.25,
        showlegend=False,
        margin=margins(70, 4, 12, 36),
        xaxis={"range": [0, 1.14], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%", "title": "Probability"},
        yaxis={"categoryorder": "array", "categoryarray": list(reversed(labels)), "title": None},
    )
    return figure


def timeline(
    labels: Sequence[str], times: npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating], title: str
) -> go.Figure:
    """Probabilities (n, C) of one person over times (n,) in seconds, stacked to one, in the emotions' colors."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for index, name in enumerate(labels):
        figure.add_scatter(
            x=times,
            y=probabilities[:, index],
            name=name,
            stackgroup="one",
            mode="lines",
            line={"width": 0, "color": class_color(name)},
            hovertemplate=name + ": %{y:.0%}<extra></extra>",
        )
    figure.update_layout(
        title={"text": title},
        hovermode="x unified",
        margin=margins(56, 40, 12, 44),
        xaxis={"title": "Time (s)"},
        yaxis={"title": "Probability", "tickformat": ".0%", "range": [0, 1]},
        legend=legend_above(),
    )
    return figure
