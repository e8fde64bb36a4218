"""Confusion matrices, and the difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import DIVERGING, HIGHLIGHT, SEQUENTIAL, TICK_ANGLES, margins
from fer_core.classes import LABELS
from fer_core.evaluation.cells import MatrixView, normalised
from fer_core.evaluation.metrics import most_confused
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_POWER: Final = 0.5  # the square root of a share decides the color, so that a cell of 2 % differs from an empty one
_DARK_BELOW: Final = 0.18  # relative luminance; there black and white are equally easy to read


def confusion_matrix(
    confusion: npt.NDArray[np.generic],
    view: MatrixView = "rows",
    *,
    order: Sequence[int] | None = None,
    hide_diagonal: bool = False,
    title: str | None = None,
    dark: bool = False,
    clickable: bool = True,
) -> go.Figure:
    """A confusion matrix whose small cells can be read and whose cells can be clicked.

    A heatmap reports no clicks in Streamlit, so almost transparent square markers lie above it; ``customdata`` of each
    is [true index, predicted index].

    Args:
        confusion: (7, 7) in the order of LABELS, rows are true classes; counts, or shares already.
        view: what the numbers in the cells are; the color always follows them.
        order: classes from the top down, and from left to right.
        hide_diagonal: leave out the right answers, so that the colors tell the errors apart.
        title: the finding; by default the most confused pair.
        dark: whether the page is dark.
        clickable: lay the markers over it.
    """
    import plotly.graph_objects as go

    places = list(order) if order is not None else list(range(len(LABELS)))
    names = [LABELS[i] for i in places]
    counts = np.asarray(confusion)[np.ix_(places, places)]
    shares = normalised(np.asarray(confusion), "rows")[np.ix_(places, places)]
    values = normalised(np.asarray(confusion), view)[np.ix_(places, places)]
    whole = np.issubdtype(counts.dtype, np.integer)
    text = [[_cell_text(v, view == "counts" and whole) for v in row] for row in values]
    color = values.copy()
    if hide_diagonal:
        np.fill_diagonal(color, 0)
        for i in range(len(text)):
            text[i][i] = ""
    ticks = list(range(len(names)))
    figure = go.Figure()
    depth, deepest = np.power(np.maximum(color, 0), _POWER), max(float(color.max()), 1e-9) ** _POWER
    figure.add_heatmap(
        z=depth,
        x=ticks,
        y=ticks,
        text=text,
        colorscale=SEQUENTIAL[dark],
        zmin=0,
        zmax=deepest,
        showscale=False,
        xgap=2,
        ygap=2,
        hoverinfo="skip",
    )
    if clickable:
        cells = [(row, column) for row in ticks for column in ticks]
        figure.add_scatter(
            x=[column for _, column in cells],
            y=[row for row, _ in cells],
            mode="markers",
            showlegend=False,
            marker={"symbol": "square", "size": 34, "opacity": 0.01, "color": HIGHLIGHT},
            selected={"marker": {"opacity": 0.3, "color": HIGHLIGHT, "size": 34}},
            unselected={"marker": {"opacity": 0.01}},
            customdata=[[places[row], places[column]] for row, column in cells],
            text=[_hover(names, counts, shares, row, column) for row, column in cells],
            hovertemplate="%{text}<extra></extra>",
        )
    axis = {"tickvals": ticks, "ticktext": names, "showgrid": False, "zeroline": False, "fixedrange": True}
    span = [-0.5, len(names) - 0.5]
    figure.update_layout(
        annotations=_written(text, depth / deepest, SEQUENTIAL[dark]),
        title={"text": title if title is not None else confusion_finding(np.asarray(confusion))},
        xaxis={**axis, "title": {"text": "The model says"}, "range": span, "autotickangles": TICK_ANGLES},
        yaxis={**axis, "title": {"text": "The label says"}, "range": span[::-1]},
        margin=margins(84, 32, 8, 56),
        hoverdistance=-1,  # anywhere in a cell counts for its marker
        dragmode=False,
    )
    return figure


def _written(
    text: Sequence[Sequence[str]], depth: npt.NDArray[np.float64], scale: list[list[Any]]
) -> list[dict[str, Any]]:
    """The numbers in the cells, each dark or white, whichever is easier to read there.

    A heatmap's own text is grey on middling colors. Annotations let clicks through to what lies beneath.
    """
    stops = [stop for stop, _ in scale]
    channels = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for _, color in scale])
    linear = [np.interp(depth, stops, channel) ** 2.2 for channel in channels.T]
    luminance = np.tensordot((0.2126, 0.7152, 0.0722), linear, axes=1)
    return [
        {
            "x": column,
            "y": row,
            "text": words,
            "showarrow": False,
            "font": {"color": "#FFFFFF" if luminance[row, column] < _DARK_BELOW else "#0F1320"},
        }
        for row, line in enumerate(text)
        for column, words in enumerate(line)
    ]


def _cell_text(value: float, whole: bool) -> str:
    if whole:
        return f"{int(value):,}" if value else "·"
    return percent(value, 0) if value >= 0.005 else ("<1 %" if value else "·")


def _hover(
    names: Sequence[str], counts: npt.NDArray[np.generic], shares: npt.NDArray[np.float64], row: int, column: int
) -> str:
    share = f"{shares[row, column]:.1%} of the {names[row]} faces"
    what = "rightly seen as" if row == column else "taken for"
    count = f"{int(counts[row, column]):,} {names[row]} faces {what} {names[column]}"
    return f"{count}<br>{share}" if np.issubdtype(counts.dtype, np.integer) else f"{share} {what} {names[column]}"


def confusion_finding(confusion: npt.NDArray[np.generic]) -> str:
    """The title of a confusion matrix: the class confused most, and with what."""
    pairs = most_confused(np.asarray(confusion), LABELS, 1)
    if not pairs:
        return "Nothing is confused here"
    true, predicted, _, share = pairs[0]
    return f"{true.capitalize()} is taken for {predicted} most often: {share:.0%} of its faces"


def matrix_difference(difference: npt.NDArray[np.int64], title: str, *, dark: bool = False) -> go.Figure:
    """Confusion of the second model minus that of the first, in faces; int64 (7, 7)."""
    import plotly.graph_objects as go

    largest = max(1, int(np.abs(difference).max()))
    colored = np.sign(difference) * np.power(np.abs(difference) / largest, _POWER)
    text = [[f"{v:+d}" if v else "·" for v in row] for row in difference.tolist()]
    figure = go.Figure()
    figure.add_heatmap(
        z=colored,
        x=list(LABELS),
        y=list(LABELS),
        text=text,
        hovertemplate="label %{y}, answer %{x}: %{text} faces<extra></extra>",
        colorscale=DIVERGING[dark],
        zmin=-1,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
    )
    figure.update_layout(
        annotations=_written(text, (colored + 1) / 2, DIVERGING[dark]),
        title={"text": title},
        xaxis={"title": {"text": "The model says"}, "fixedrange": True, "autotickangles": TICK_ANGLES},
        yaxis={"title": {"text": "The label says"}, "autorange": "reversed", "fixedrange": True},
        margin=margins(84, 8, 8, 72),
    )
    return figure
