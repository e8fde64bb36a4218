"""Faithfulness of a saliency map, and its attribution per region of the face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import ACCENT, MUTED, legend_above, margins

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class PerturbationCurve:
    """Probability of a class while pixels are deleted or inserted, most important first, and in random orders.

    Attributes:
        share: float64 (n,), share of pixels changed, 0…1.
        probability: float64 (n,), in the order of the map.
        chance: float64 (n,), mean over random orders.
        beats_chance: whether the map beats every random order.
    """

    share: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    chance: npt.NDArray[np.float64]
    beats_chance: bool


def deletion_insertion(deletion: PerturbationCurve, insertion: PerturbationCurve, label: str) -> go.Figure:
    """Plot deletion and insertion: probability of ``label`` over the share of changed pixels."""
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=2, subplot_titles=("Deletion (low is good)", "Insertion (high is good)"))
    for column, curve in enumerate((deletion, insertion), start=1):
        for values, name, color, dash in (
            (curve.chance, "random order", MUTED, "dash"),
            (curve.probability, "this map", ACCENT, "solid"),
        ):
            figure.add_scatter(
                x=curve.share,
                y=values,
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                mode="lines",
                line={"color": color, "dash": dash, "width": 2.5},
                hovertemplate=f"{name}: %{{y:.1%}} at %{{x:.0%}} of the pixels<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(tickformat=".0%", title="Pixels changed", range=[0, 1])
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(title=f"Probability of {label}", col=1)
    at_deletion, at_insertion = ("beats" if curve.beats_chance else "does not beat" for curve in (deletion, insertion))
    figure.update_layout(
        title={"text": f"Deletion: {at_deletion} random orders; insertion: {at_insertion}"},
        margin=margins(56, 60, 12, 44),
        legend=legend_above(1.16),
    )
    return figure


def region_bars(
    shares: Mapping[str, float],
    areas: Mapping[str, float],
    title: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """Plot the share of the attribution and of the area per region, with 95% intervals."""
    import plotly.graph_objects as go

    figure = go.Figure()
    error = None
    if intervals is not None:
        error = {
            "type": "data",
            "symmetric": False,
            "array": [intervals[name][1] - shares[name] for name in shares],
            "arrayminus": [shares[name] - intervals[name][0] for name in shares],
        }
    for values, name, color, bars in (
        (shares, "attribution", ACCENT, error),
        (areas, "area", MUTED, None),
    ):
        figure.add_bar(
            x=list(shares),
            y=[values[region] for region in shares],
            name=name,
            marker={"color": color},
            error_y=bars,
            hovertemplate="%{x}: %{y:.1%} of the " + name + "<extra></extra>",
        )
    figure.update_layout(
        title={"text": title},
        barmode="group",
        margin=margins(56, 30, 12, 32),
        yaxis={"tickformat": ".0%", "title": "Share of the face"},
        legend=legend_above(),
    )
    return figure
