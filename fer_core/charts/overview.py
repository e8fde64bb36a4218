"""Compact figures for the Overview page: the accuracy of a run, a confusion matrix, class shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.charts.confusion import confusion_matrix
from fer_core.charts.theme import class_axis, escaped, legend_above, margins, name_margin, tick_names
from fer_core.charts.training import Curve, learning_curves
from fer_core.classes import ClassList
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MOST_SHARES: Final = 10
"""With more classes, only the largest are drawn."""


def accuracy_overview(curves: Sequence[Curve], *, title: str) -> go.Figure:
    """Return the accuracy curves of a run without markers and axis titles."""
    figure = learning_curves(curves, "accuracy", title=title)
    figure.update_traces(mode="lines")
    figure.update_layout(margin=margins(44, 8, 8, 36), legend=legend_above(1.0))
    figure.update_yaxes(title_text="", nticks=5)
    return figure


def matrix_overview(
    confusion: npt.NDArray[np.integer], classes: Sequence[str], *, title: str, dark: bool = False
) -> go.Figure:
    """Return a confusion matrix (C, C), rows by true class, without axis titles and hover.

    Args:
        confusion: counts.
        classes: C names.
        title: the finding.
        dark: whether the page is dark.
    """
    figure = confusion_matrix(confusion, classes, title=title, dark=dark, clickable=False)
    figure.update_layout(margin=margins(name_margin(classes), 4, 4, name_margin(classes)))
    figure.update_xaxes(title_text="", side="bottom", tickfont={"size": 11})
    figure.update_yaxes(title_text="", tickfont={"size": 11})
    return figure


def class_shares(counts: Mapping[str, int], classes: ClassList, *, title: str) -> go.Figure:
    """Return a horizontal bar per class with its share of all faces, in the class's color.

    Args:
        counts: class -> number of faces.
        classes: names and colors; with more than ten classes, only the largest are drawn.
        title: the finding.
    """
    import plotly.graph_objects as go

    total = max(1, sum(counts.values()))
    shown = list(classes)
    if len(shown) > _MOST_SHARES:
        shown = sorted(shown, key=lambda name: -counts[name])[:_MOST_SHARES]
    shares = [counts[name] / total for name in shown]
    figure = go.Figure()
    figure.add_bar(
        x=shares,
        y=tick_names(shown),
        orientation="h",
        width=0.55,
        marker={"color": [classes.color(name) for name in shown], "cornerradius": 4},
        text=[percent(share) for share in shares],
        textposition="outside",
        cliponaxis=False,
        hovertext=[f"{escaped(name)}: {counts[name]:,} faces" for name in shown],
        hoverinfo="text",
    )
    figure.update_layout(title={"text": title}, margin=margins(name_margin(shown), 4, 48, 4))
    figure.update_xaxes(visible=False, range=[0, max(shares, default=1) or 1])
    figure.update_yaxes(**class_axis(shown, top_down=True))
    return figure
