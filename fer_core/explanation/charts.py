"""Explanations to plotly figures: probabilities, deletion and insertion, regions, and pictures to select in."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import COLOURS
from fer_core.explanation.regions import REGIONS
from fer_core.explanation.sanity import Belief
from fer_core.figures import ROLE_COLOURS

if TYPE_CHECKING:
    import plotly.graph_objects as go

_GREY: Final = "#8C93A8"
_GRID: Final = 40  # transparent points along the longer side of a picture, which a selection is made of


def probability_bars(
    labels: Sequence[str],
    values: npt.NDArray[np.floating],
    title: str,
    *,
    other: npt.NDArray[np.floating] | None = None,
    names: tuple[str, str] = ("now", "before"),
) -> go.Figure:
    """Probabilities (C,) as bars in the emotions' colours, the first label on top.

    Args:
        labels: Class names.
        values: One probability in 0…1 for each.
        title: The finding.
        other: A second set to compare with, drawn hollow beneath.
        names: What the two sets are called.
    """
    import plotly.graph_objects as go

    colours = [COLOURS.get(name, _GREY) for name in labels]
    figure = go.Figure()

    def bars(share: npt.NDArray[np.floating], name: str, hollow: bool) -> None:
        fill = ["rgba(0,0,0,0)"] * len(colours) if hollow else colours
        figure.add_bar(
            y=list(labels),
            x=[float(p) for p in share],
            name=name,
            orientation="h",
            marker={"color": fill, "line": {"color": colours, "width": 1.5 if hollow else 0}},
            text=[f"{100 * float(p):.0f} %" for p in share],
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
        margin={"l": 70, "r": 12, "t": 4, "b": 36},
        xaxis={"range": [0, 1.14], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%", "title": "Probability"},
        yaxis={"categoryorder": "array", "categoryarray": list(reversed(labels)), "title": None},
    )
    return figure


def belief_curves(belief: Belief, label: str) -> go.Figure:
    """Deletion on the left, insertion on the right: probability of ``label`` against the share of pixels changed."""
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=2, subplot_titles=("Deletion (low is good)", "Insertion (high is good)"))
    pairs = ((belief.deletion, belief.random_deletion), (belief.insertion, belief.random_insertion))
    for column, (ours, chance) in enumerate(pairs, start=1):
        for curve, name, colour, dash in (
            (chance, "random order", _GREY, "dash"),
            (ours, "this map", ROLE_COLOURS["valid"], "solid"),
        ):
            figure.add_scatter(
                x=curve.share,
                y=curve.probability,
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                mode="lines",
                line={"color": colour, "dash": dash, "width": 2.5},
                hovertemplate=f"{name}: %{{y:.1%}} at %{{x:.0%}} of the pixels<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(tickformat=".0%", title="Pixels changed", range=[0, 1])
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(title=f"Probability of {label}", col=1)
    deletion, insertion = (
        "beats" if better else "does not beat"
        for better in (
            belief.deletion.auc < belief.random_deletion_range[0],
            belief.insertion.auc > belief.random_insertion_range[1],
        )
    )
    figure.update_layout(
        title={"text": f"The map {deletion} every random order at deletion and {insertion} them at insertion"},
        margin={"l": 56, "r": 12, "t": 60, "b": 44},
        legend={"orientation": "h", "x": 0, "y": 1.16, "xanchor": "left", "yanchor": "bottom"},
    )
    return figure


def region_bars(
    shares: Mapping[str, float],
    areas: Mapping[str, float],
    title: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> go.Figure:
    """Share of the attribution in each region beside the region's share of the face's area, with 95 % intervals."""
    import plotly.graph_objects as go

    figure = go.Figure()
    error = None
    if intervals is not None:
        error = {
            "type": "data",
            "symmetric": False,
            "array": [intervals[name][1] - shares[name] for name in REGIONS],
            "arrayminus": [shares[name] - intervals[name][0] for name in REGIONS],
        }
    for values, name, colour, bars in (
        (shares, "attribution", ROLE_COLOURS["valid"], error),
        (areas, "area", _GREY, None),
    ):
        figure.add_bar(
            x=list(REGIONS),
            y=[values[region] for region in REGIONS],
            name=name,
            marker={"color": colour},
            error_y=bars,
            hovertemplate="%{x}: %{y:.1%} of the " + name + "<extra></extra>",
        )
    figure.update_layout(
        title={"text": title},
        barmode="group",
        margin={"l": 56, "r": 12, "t": 30, "b": 32},
        yaxis={"tickformat": ".0%", "title": "Share of the face"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
    )
    return figure


def timeline(
    labels: Sequence[str], times: npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating], title: str
) -> go.Figure:
    """Probabilities (n, C) of one person over times (n,) in seconds, stacked to one, in the emotions' colours."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for index, name in enumerate(labels):
        figure.add_scatter(
            x=times,
            y=probabilities[:, index],
            name=name,
            stackgroup="one",
            mode="lines",
            line={"width": 0, "color": COLOURS.get(name, _GREY)},
            hovertemplate=name + ": %{y:.0%}<extra></extra>",
        )
    figure.update_layout(
        title={"text": title},
        hovermode="x unified",
        margin={"l": 56, "r": 12, "t": 40, "b": 44},
        xaxis={"title": "Time (s)"},
        yaxis={"title": "Probability", "tickformat": ".0%", "range": [0, 1]},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
    )
    return figure


def selectable(picture: bytes, width: int, height: int, kind: str = "jpeg") -> go.Figure:
    """An encoded picture in which a rectangle can be dragged; the axes count its pixels from the upper left corner.

    A browser reports a selection only where a trace has points, so a grid of transparent ones lies over the picture.
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
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        xaxis={**axis, "range": [0, width], "constrain": "domain"},
        yaxis={**axis, "range": [height, 0], "scaleanchor": "x", "constrain": "domain", "constraintoward": "top"},
        newselection={"line": {"color": "#D6336C", "width": 2, "dash": "solid"}},
    )
    return figure


def ascent_curve(responses: npt.NDArray[np.floating], title: str) -> go.Figure:
    """A filter's response (steps,) while its pattern was climbing."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=list(range(len(responses))),
        y=[round(float(value), 4) for value in responses],
        mode="lines",
        line={"color": ROLE_COLOURS["valid"], "width": 2.25},
        hovertemplate="step %{x}: %{y:.2f}<extra></extra>",
    )
    figure.update_layout(
        title={"text": title},
        showlegend=False,
        margin={"l": 52, "r": 12, "t": 8, "b": 40},
        xaxis={"title": {"text": "Step"}, "zeroline": False},
        yaxis={"title": {"text": "Response"}},
    )
    return figure


def value_bars(values: npt.NDArray[np.floating], title: str, names: Sequence[str] | None = None) -> go.Figure:
    """What a layer behind the flattening answers: one bar for each of its numbers (n,); ``names`` are class names."""
    import plotly.graph_objects as go

    named = names is not None and len(names) == len(values)
    places = list(names) if named and names is not None else list(range(len(values)))
    figure = go.Figure()
    figure.add_bar(
        x=places,
        y=[round(float(value), 4) for value in values],
        marker={"color": [COLOURS.get(str(place), ROLE_COLOURS["valid"]) for place in places], "line": {"width": 0}},
        hovertemplate="%{x}: %{y:.3f}<extra></extra>",
    )
    figure.update_layout(
        title={"text": title},
        showlegend=False,
        margin={"l": 52, "r": 12, "t": 8, "b": 40},
        bargap=0.2 if named else 0,
        xaxis={"title": {"text": "" if named else "Number in the layer"}},
        yaxis={"title": {"text": "Value"}},
    )
    return figure
