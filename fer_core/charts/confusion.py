"""Confusion matrices, and the difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import (
    DIVERGING,
    HIGHLIGHT,
    SEQUENTIAL,
    class_axis,
    escaped,
    margins,
    name_margin,
    tick_names,
)
from fer_core.evaluation.cells import MatrixView, normalize_confusion
from fer_core.evaluation.metrics import most_confused
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

_POWER: Final = 0.5  # color by the square root of the share, so that 2% differs from an empty cell
_DARK_BELOW: Final = 0.18  # relative luminance at which black and white text have equal contrast
_SMALL_LETTERS: Final = 8
_MOST_WRITTEN: Final = 12
"""Maximum number of classes with numbers in the cells."""


def matrix_height(classes: int) -> int:
    """Return the height in pixels of a legible matrix."""
    return min(1100, max(520, 180 + 22 * classes))


def confusion_matrix(
    confusion: npt.NDArray[np.generic],
    classes: Sequence[str],
    view: MatrixView = "rows",
    *,
    order: Sequence[int] | None = None,
    hide_diagonal: bool = False,
    title: str | None = None,
    dark: bool = False,
    clickable: bool = True,
) -> go.Figure:
    """Plot a confusion matrix with clickable cells.

    Streamlit reports no clicks on a heatmap, so almost transparent square markers cover it; the ``customdata`` of each is
    [true index, predicted index].

    Args:
        confusion: (C, C), rows by true class; counts or shares.
        classes: C names, in the order of rows and columns.
        view: normalization of numbers and colors.
        order: class indices from top to bottom and left to right.
        hide_diagonal: exclude correct predictions, so that the colors show the errors.
        title: the finding; by default the most confused pair.
        dark: whether the page is dark.
        clickable: add the markers.
    """
    import plotly.graph_objects as go

    places = list(order) if order is not None else list(range(len(classes)))
    names = [classes[i] for i in places]
    counts = np.asarray(confusion)[np.ix_(places, places)]
    shares = normalize_confusion(np.asarray(confusion), "rows")[np.ix_(places, places)]
    values = normalize_confusion(np.asarray(confusion), view)[np.ix_(places, places)]
    whole = np.issubdtype(counts.dtype, np.integer)
    text = [[_cell_text(v, view == "counts" and whole) for v in row] for row in values]
    color = values.copy()
    if hide_diagonal:
        np.fill_diagonal(color, 0)
        for i in range(len(text)):
            text[i][i] = ""
    ticks = tick_names(names)
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
        cells = [(row, column) for row in range(len(names)) for column in range(len(names))]
        size = min(34, max(9, 400 // len(names)))
        figure.add_scatter(
            x=[ticks[column] for _, column in cells],
            y=[ticks[row] for row, _ in cells],
            mode="markers",
            showlegend=False,
            marker={"symbol": "square", "size": size, "opacity": 0.01, "color": HIGHLIGHT},
            selected={"marker": {"opacity": 0.3, "color": HIGHLIGHT, "size": size}},
            unselected={"marker": {"opacity": 0.01}},
            customdata=[[places[row], places[column]] for row, column in cells],
            text=[_hover([escaped(name) for name in names], counts, shares, row, column) for row, column in cells],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_layout(
        annotations=_written(text, depth / deepest, SEQUENTIAL[dark]),
        title={"text": title if title is not None else confusion_finding(np.asarray(confusion), classes)},
        xaxis=class_axis(names, title={"text": "Predicted label"}, fixedrange=True),
        yaxis=class_axis(names, top_down=True, title={"text": "True label"}, fixedrange=True),
        margin=margins(name_margin(names), 32, 8, 56),
        hoverdistance=-1,  # hover anywhere in a cell
        dragmode=False,
    )
    return figure


def _written(
    text: Sequence[Sequence[str]], depth: npt.NDArray[np.float64], scale: list[list[Any]]
) -> list[dict[str, Any]]:
    """Return the numbers in the cells as annotations, dark or white for contrast.

    The heatmap's own text is gray on medium colors. Annotations let clicks pass through.
    """
    if len(text) > _MOST_WRITTEN:
        return []
    size = 12 if len(text) <= _SMALL_LETTERS else 10
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
            "font": {"size": size, "color": "#FFFFFF" if luminance[row, column] < _DARK_BELOW else "#0F1320"},
        }
        for row, line in enumerate(text)
        for column, words in enumerate(line)
    ]


def _cell_text(value: float, whole: bool) -> str:
    if whole:
        return f"{int(value):,}" if value else "·"
    return percent(value, 0) if value >= 0.005 else ("<1%" if value else "·")


def _hover(
    names: Sequence[str], counts: npt.NDArray[np.generic], shares: npt.NDArray[np.float64], row: int, column: int
) -> str:
    share = f"{shares[row, column]:.1%} of the {names[row]} faces"
    what = "correctly classified as" if row == column else "misclassified as"
    count = f"{int(counts[row, column]):,} {names[row]} faces {what} {names[column]}"
    return f"{count}<br>{share}" if np.issubdtype(counts.dtype, np.integer) else f"{share} {what} {names[column]}"


def confusion_finding(confusion: npt.NDArray[np.generic], classes: Sequence[str]) -> str:
    """Return the title of a confusion matrix (C, C): its most confused pair."""
    pairs = most_confused(np.asarray(confusion), classes, 1)
    if not pairs:
        return "No errors"
    true, predicted, _, share = pairs[0]
    return f"Most confused: {share:.0%} of {true} faces are misclassified as {predicted}"


def matrix_difference(
    difference: npt.NDArray[np.int64], classes: Sequence[str], title: str, *, dark: bool = False
) -> go.Figure:
    """Plot the confusion of the second model minus the first, in faces; int64 (C, C) in the order of ``classes``."""
    import plotly.graph_objects as go

    largest = max(1, int(np.abs(difference).max()))
    colored = np.sign(difference) * np.power(np.abs(difference) / largest, _POWER)
    text = [[f"{v:+d}" if v else "·" for v in row] for row in difference.tolist()]
    figure = go.Figure()
    figure.add_heatmap(
        z=colored,
        x=tick_names(classes),
        y=tick_names(classes),
        text=text,
        hovertext=[
            [
                f"true {escaped(true)}, predicted {escaped(answer)}: {words} faces"
                for answer, words in zip(classes, row, strict=True)
            ]
            for true, row in zip(classes, text, strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
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
        xaxis=class_axis(classes, title={"text": "Predicted label"}, fixedrange=True),
        yaxis=class_axis(classes, top_down=True, title={"text": "True label"}, fixedrange=True),
        margin=margins(name_margin(classes), 8, 8, 72),
    )
    return figure
