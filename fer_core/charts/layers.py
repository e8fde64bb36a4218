"""Responses of filters and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import ACCENT, class_axis, escaped, margins, tick_names
from fer_core.classes import ClassList

if TYPE_CHECKING:
    import plotly.graph_objects as go


def ascent_curve(responses: npt.NDArray[np.floating], title: str) -> go.Figure:
    """Plot the response of a filter (steps,) during activation maximization."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=list(range(len(responses))),
        y=[round(float(value), 4) for value in responses],
        mode="lines",
        line={"color": ACCENT, "width": 2.25},
        hovertemplate="step %{x}: %{y:.2f}<extra></extra>",
    )
    figure.update_layout(
        title={"text": title},
        showlegend=False,
        margin=margins(52, 8, 12, 40),
        xaxis={"title": {"text": "Step"}, "zeroline": False},
        yaxis={"title": {"text": "Response"}},
    )
    return figure


def value_bars(values: npt.NDArray[np.floating], title: str, classes: ClassList | None = None) -> go.Figure:
    """Plot the activations (n,) of a layer after flattening; ``classes`` names them if there are n."""
    import plotly.graph_objects as go

    named = classes if classes is not None and len(classes) == len(values) else None
    names = [escaped(name) for name in named] if named else [str(place) for place in range(len(values))]
    figure = go.Figure()
    figure.add_bar(
        x=tick_names(named) if named else list(range(len(values))),
        y=[round(float(value), 4) for value in values],
        marker={"color": list(named.colors) if named else ACCENT, "line": {"width": 0}},
        customdata=names,
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
    )
    figure.update_layout(
        title={"text": title},
        showlegend=False,
        margin=margins(52, 8, 12, 40),
        bargap=0.2 if named else 0,
        xaxis=class_axis(named) if named else {"title": {"text": "Unit"}},
        yaxis={"title": {"text": "Value"}},
    )
    return figure
