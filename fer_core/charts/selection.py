"""An image to drag a rectangle in."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import numpy as np

from fer_core.charts.theme import HIGHLIGHT, margins

if TYPE_CHECKING:
    import plotly.graph_objects as go

_GRID: Final = 40  # transparent points along the longer side, which selections consist of


def selectable(picture: bytes, width: int, height: int, kind: str = "jpeg") -> go.Figure:
    """Return an encoded image to drag a rectangle in; the axes are pixels from the upper left corner.

    Plotly reports a selection only for points of a trace, so a transparent grid covers the image.
    """
    import plotly.graph_objects as go

    step = max(width, height) / _GRID
    x, y = np.meshgrid(np.arange(step / 2, width, step), np.arange(step / 2, height, step))
    nothing = {"opacity": 0}
    figure = go.Figure()
    figure.add_scatter(
        x=x.ravel(),
        y=y.ravel(),
        mode="markers",
        marker=nothing,
        selected={"marker": nothing},
        unselected={"marker": nothing},
        hoverinfo="none",
        showlegend=False,
    )
    figure.add_layout_image(
        source=f"data:image/{kind};base64,{base64.b64encode(picture).decode()}",
        xref="x",
        yref="y",
        x=0,
        y=0,
        sizex=width,
        sizey=height,
        sizing="stretch",
        layer="below",
    )
    axis = {"visible": False, "fixedrange": True}
    figure.update_layout(
        dragmode="select",
        margin=margins(0, 0, 0, 0),
        xaxis={**axis, "range": [0, width], "constrain": "domain"},
        yaxis={**axis, "range": [height, 0], "scaleanchor": "x", "constrain": "domain", "constraintoward": "top"},
        newselection={"line": {"color": HIGHLIGHT, "width": 2, "dash": "solid"}},
    )
    return figure
