"""An evaluation as plotly figures. Titles say the finding; like all our figures they set no background and no font."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.classes import COLOURS, LABELS
from fer_core.evaluation.calibration import RiskCoverage
from fer_core.evaluation.cells import MatrixView, normalised
from fer_core.evaluation.metrics import ClassScore, ReliabilityBin, most_confused

if TYPE_CHECKING:
    import plotly.graph_objects as go

ACCENT: Final = "#6C72E8"
"""Apart from every emotion's colour, and readable on white and on near-black."""
SECOND: Final = "#D6336C"
_QUIET: Final = "#8C93A8"
_SCALES: Final[dict[bool, list[list[Any]]]] = {
    False: [[0.0, "#F4F5F9"], [0.5, "#A3A8EF"], [1.0, "#3F43A8"]],
    True: [[0.0, "#1C212D"], [0.5, "#3B3F95"], [1.0, "#6C72E8"]],
}
_DIFFERENCES: Final[dict[bool, list[list[Any]]]] = {
    False: [[0.0, "#B7791F"], [0.5, "#F4F5F9"], [1.0, "#3F43A8"]],
    True: [[0.0, "#96651A"], [0.5, "#1C212D"], [1.0, "#6C72E8"]],
}
_POWER: Final = 0.5  # the square root of a share decides the colour, so that a cell of 2 % differs from an empty one
_DARK_BELOW: Final = 0.18  # relative luminance; there black and white are equally easy to read
_ANGLES: Final = [0, -45]  # of names under an axis: turned the other way the last one would leave a narrow page


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
        view: what the numbers in the cells are; the colour always follows them.
        order: classes from the top down, and from left to right.
        hide_diagonal: leave out the right answers, so that the colours tell the errors apart.
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
    colour = values.copy()
    if hide_diagonal:
        np.fill_diagonal(colour, 0)
        for i in range(len(text)):
            text[i][i] = ""
    ticks = list(range(len(names)))
    figure = go.Figure()
    depth, deepest = np.power(np.maximum(colour, 0), _POWER), max(float(colour.max()), 1e-9) ** _POWER
    figure.add_heatmap(
        z=depth,
        x=ticks,
        y=ticks,
        text=text,
        colorscale=_SCALES[dark],
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
            marker={"symbol": "square", "size": 34, "opacity": 0.01, "color": SECOND},
            selected={"marker": {"opacity": 0.3, "color": SECOND, "size": 34}},
            unselected={"marker": {"opacity": 0.01}},
            customdata=[[places[row], places[column]] for row, column in cells],
            text=[_hover(names, counts, shares, row, column) for row, column in cells],
            hovertemplate="%{text}<extra></extra>",
        )
    axis = {"tickvals": ticks, "ticktext": names, "showgrid": False, "zeroline": False, "fixedrange": True}
    span = [-0.5, len(names) - 0.5]
    figure.update_layout(
        annotations=_written(text, depth / deepest, _SCALES[dark]),
        title={"text": title if title is not None else confusion_finding(np.asarray(confusion))},
        xaxis={**axis, "title": {"text": "The model says"}, "range": span, "autotickangles": _ANGLES},
        yaxis={**axis, "title": {"text": "The label says"}, "range": span[::-1]},
        margin={"l": 84, "r": 8, "t": 32, "b": 56},
        hoverdistance=-1,  # anywhere in a cell counts for its marker
        dragmode=False,
    )
    return figure


def _written(
    text: Sequence[Sequence[str]], depth: npt.NDArray[np.float64], scale: list[list[Any]]
) -> list[dict[str, Any]]:
    """The numbers in the cells, each dark or white, whichever is easier to read there.

    A heatmap's own text is grey on middling colours. Annotations let clicks through to what lies beneath.
    """
    stops = [stop for stop, _ in scale]
    channels = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for _, colour in scale])
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
    return f"{100 * value:.0f} %" if value >= 0.005 else ("<1 %" if value else "·")


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
    coloured = np.sign(difference) * np.power(np.abs(difference) / largest, _POWER)
    text = [[f"{v:+d}" if v else "·" for v in row] for row in difference.tolist()]
    figure = go.Figure()
    figure.add_heatmap(
        z=coloured,
        x=list(LABELS),
        y=list(LABELS),
        text=text,
        hovertemplate="label %{y}, answer %{x}: %{text} faces<extra></extra>",
        colorscale=_DIFFERENCES[dark],
        zmin=-1,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
    )
    figure.update_layout(
        annotations=_written(text, (coloured + 1) / 2, _DIFFERENCES[dark]),
        title={"text": title},
        xaxis={"title": {"text": "The model says"}, "fixedrange": True, "autotickangles": _ANGLES},
        yaxis={"title": {"text": "The label says"}, "autorange": "reversed", "fixedrange": True},
        margin={"l": 84, "r": 8, "t": 8, "b": 72},
    )
    return figure


def class_scores(scores: Mapping[str, ClassScore]) -> go.Figure:
    """Precision, recall and F1 of each class, side by side; a class without examples has no bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    fills = {"precision": ("/", 0.75), "recall": ("", 1.0), "F1": ("x", 0.5)}
    for name, (shape, opacity) in fills.items():
        fill: dict[str, Any] = {"opacity": opacity}
        if shape:
            fill["pattern"] = {"shape": shape, "size": 6, "solidity": 0.25, "fillmode": "overlay", "fgcolor": "#FFFFFF"}
        # One trace for each bar: plotly cannot combine a pattern with a list of colours.
        for label in LABELS:
            score = scores[label]
            figure.add_bar(
                x=[label],
                y=[getattr(score, name.lower())],
                name=name,
                offsetgroup=name,
                showlegend=False,
                marker={**fill, "color": COLOURS[label]},
                hovertemplate=f"{label}: {name} %{{y:.1%}}, {score.n:,} faces<extra></extra>",
            )
        # The legend tells the three figures apart, not emotions: a grey sample stands for each.
        figure.add_bar(x=[LABELS[0]], y=[None], name=name, offsetgroup=name, marker={**fill, "color": _QUIET})
    figure.update_layout(
        title={"text": class_finding(scores)},
        barmode="group",
        margin={"l": 56, "r": 8, "t": 24, "b": 32},
        legend={"orientation": "h", "x": 0, "y": 1.04, "xanchor": "left", "yanchor": "bottom", "itemclick": False},
        xaxis={"autotickangles": _ANGLES},
        yaxis={"title": {"text": "Share"}, "tickformat": ".0%", "range": [0, 1]},
    )
    return figure


def class_finding(scores: Mapping[str, ClassScore]) -> str:
    """The title of the bars: the class with the best and with the worst F1."""
    known = {name: score.f1 for name, score in scores.items() if score.f1 is not None}
    if len(known) < 2:
        return "Precision, recall and F1 of each class"
    best, worst = max(known, key=lambda k: known[k]), min(known, key=lambda k: known[k])
    return f"{best.capitalize()} is recognised best (F1 {known[best]:.2f}), {worst} worst ({known[worst]:.2f})"


def reliability(bins: Sequence[ReliabilityBin], ece: float) -> go.Figure:
    """How often the model is right at each level of confidence; on the diagonal it is as good as it says."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": _QUIET, "dash": "dot"}, hoverinfo="skip", showlegend=False
    )
    most = max((b.n for b in bins), default=1)
    figure.add_scatter(
        x=[b.confidence for b in bins],
        y=[b.accuracy for b in bins],
        mode="lines+markers",
        showlegend=False,
        line={"color": ACCENT, "width": 2},
        marker={"size": [6 + 16 * (b.n / most) ** 0.5 for b in bins]},
        customdata=[b.n for b in bins],
        hovertemplate="says %{x:.0%}, is right %{y:.0%} (%{customdata:,} faces)<extra></extra>",
    )
    figure.update_layout(
        title={"text": reliability_finding(bins, ece)},
        xaxis={"title": {"text": "Confidence (top probability)"}, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis={"title": {"text": "Accuracy"}, "tickformat": ".0%", "range": [0, 1.02]},
        margin={"l": 56, "r": 24, "t": 8, "b": 48},
    )
    return figure


def reliability_finding(bins: Sequence[ReliabilityBin], ece: float) -> str:
    """The title of a reliability diagram: in which direction the confidence errs."""
    gap = sum(b.n * (b.confidence - b.accuracy) for b in bins) / max(1, sum(b.n for b in bins))
    if ece < 0.02:
        return f"Its confidence can be taken at its word (ECE {ece:.3f})"
    if abs(gap) < ece / 2:
        return f"Too sure of some faces and too unsure of others (ECE {ece:.3f})"
    return f"The model is too {'sure of itself' if gap > 0 else 'modest'} (ECE {ece:.3f})"


def risk_coverage(curve: RiskCoverage, threshold: float) -> go.Figure:
    """Share of wrong answers against the share of faces that get an answer, with the chosen threshold on it."""
    import plotly.graph_objects as go

    coverage, risk = curve.at(threshold)
    figure = go.Figure()
    figure.add_scatter(
        x=curve.coverage,
        y=curve.risk,
        mode="lines",
        showlegend=False,
        line={"color": ACCENT, "width": 2},
        customdata=curve.thresholds,
        hovertemplate="threshold %{customdata:.0%}: %{x:.0%} answered, %{y:.1%} of them wrongly<extra></extra>",
    )
    if risk is not None:
        figure.add_scatter(
            x=[coverage],
            y=[risk],
            mode="markers",
            showlegend=False,
            marker={"size": 13, "color": SECOND},
            hovertemplate="now: %{x:.0%} answered, %{y:.1%} of them wrongly<extra></extra>",
        )
    title = (
        f"With a threshold of {threshold:.0%} the model answers {coverage:.0%} of the faces and errs on {risk:.1%} of them"
        if risk is not None
        else f"With a threshold of {threshold:.0%} the model answers no face at all"
    )
    figure.update_layout(
        title={"text": title},
        xaxis={"title": {"text": "Coverage: share of faces answered"}, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis={"title": {"text": "Risk: share of wrong answers"}, "tickformat": ".0%", "rangemode": "tozero"},
        margin={"l": 56, "r": 24, "t": 8, "b": 48},
    )
    return figure


def probabilities(values: npt.NDArray[np.floating], title: str) -> go.Figure:
    """The seven probabilities of one face as bars, float (7,)."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_bar(
        x=[float(v) for v in values],
        y=list(LABELS),
        orientation="h",
        marker={"color": [COLOURS[name] for name in LABELS]},
        text=[f"{100 * v:.1f} %" for v in values],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.update_layout(
        title={"text": title},
        xaxis={"range": [0, 1.15], "tickformat": ".0%", "tickvals": [0, 0.5, 1], "title": {"text": "Probability"}},
        yaxis={"autorange": "reversed"},
        margin={"l": 72, "r": 8, "t": 8, "b": 40},
    )
    return figure
