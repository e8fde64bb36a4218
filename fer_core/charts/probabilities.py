"""Probabilities of a face as bars, and of a track over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import MUTED, class_axis, escaped, legend_above, margins, name_margin, tick_names
from fer_core.classes import ClassList
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MOST_BARS: Final = 12
_MOST_AREAS: Final = 8
"""Maximum number of classes drawn; of more, only the most probable."""


def probability_bars(
    classes: ClassList,
    values: npt.NDArray[np.floating],
    title: str,
    *,
    other: npt.NDArray[np.floating] | None = None,
    names: tuple[str, str] = ("now", "before"),
    digits: int = 0,
) -> go.Figure:
    """Plot probabilities (C,) as bars in the class colors, the first class on top.

    Args:
        classes: C classes; of more than twelve, the most probable are drawn.
        values: Probabilities in 0…1.
        title: The finding.
        other: Second set for comparison, drawn hollow below.
        names: Names of the two sets.
        digits: Decimals of the percentages.
    """
    import plotly.graph_objects as go

    chosen = _most_probable(values, _MOST_BARS)
    shown = [classes[i] for i in chosen]
    colors = [classes.colors[i] for i in chosen]
    figure = go.Figure()

    def bars(share: npt.NDArray[np.floating], name: str, hollow: bool) -> None:
        fill = ["rgba(0,0,0,0)"] * len(colors) if hollow else colors
        figure.add_bar(
            y=tick_names(shown),
            x=[float(share[i]) for i in chosen],
            name=name,
            orientation="h",
            marker={"color": fill, "line": {"color": colors, "width": 1.5 if hollow else 0}},
            text=[percent(float(share[i]), digits) for i in chosen],
            textposition="outside",
            cliponaxis=False,
            customdata=[escaped(label) for label in shown],
            hovertemplate="%{customdata}, " + name + ": %{x:.1%}<extra></extra>",
        )

    if other is not None:
        bars(other, names[1], hollow=True)
    bars(values, names[0], hollow=False)
    of_all = {"text": f"The {len(shown)} most probable of {len(classes)}"} if len(shown) < len(classes) else None
    figure.update_layout(
        title={"text": title},
        barmode="group",
        bargap=0.25,
        showlegend=False,
        margin=margins(name_margin(shown), 4, 12, 36),
        xaxis={"range": [0, 1.14], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%", "title": "Probability"},
        yaxis=class_axis(shown, top_down=True, title=of_all),
    )
    return figure


def _most_probable(values: npt.NDArray[np.floating], most: int) -> list[int]:
    """Return all indices in order, or those of the ``most`` largest values, largest first."""
    if len(values) <= most:
        return list(range(len(values)))
    return [int(i) for i in np.argsort(-np.asarray(values), kind="stable")[:most]]


def timeline(
    classes: ClassList, times: npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating], title: str
) -> go.Figure:
    """Plot probabilities (n, C) of a track over times (n,) in seconds as stacked areas in the class colors.

    With more than eight classes, the less probable ones share an area.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    chosen = _most_probable(probabilities.mean(axis=0), _MOST_AREAS)

    def area(values: npt.NDArray[np.floating], name: str, color: str) -> None:
        figure.add_scatter(
            x=times,
            y=values,
            name=name,
            stackgroup="one",
            mode="lines",
            line={"width": 0, "color": color},
            hovertemplate=name + ": %{y:.0%}<extra></extra>",
        )

    ticks = tick_names(classes)
    for i in chosen:
        area(probabilities[:, i], ticks[i], classes.colors[i])
    if len(chosen) < len(classes):
        rest = 1 - probabilities[:, chosen].sum(axis=1)
        area(np.clip(rest, 0, 1), f"{len(classes) - len(chosen)} others", MUTED)
    figure.update_layout(
        title={"text": title},
        hovermode="x unified",
        margin=margins(56, 40, 12, 44),
        xaxis={"title": "Time (s)"},
        yaxis={"title": "Probability", "tickformat": ".0%", "range": [0, 1]},
        legend=legend_above(),
    )
    return figure
