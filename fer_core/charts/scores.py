"""Scores of an evaluation: of each class, of the confidence, and of a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fer_core.charts.theme import (
    ACCENT,
    HIGHLIGHT,
    MUTED,
    bar_fill,
    class_axis,
    escaped,
    legend_above,
    margins,
    tick_names,
)
from fer_core.classes import ClassList
from fer_core.evaluation.calibration import RiskCoverage
from fer_core.evaluation.metrics import ClassScore, ReliabilityBin
from fer_core.formatting import capitalized

if TYPE_CHECKING:
    import plotly.graph_objects as go


def class_scores(scores: Mapping[str, ClassScore], classes: ClassList) -> go.Figure:
    """Precision, recall and F1 of each class, side by side; a class without examples has no bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    ticks = tick_names(classes)
    fills = {"precision": ("/", 0.75), "recall": ("", 1.0), "F1": ("x", 0.5)}
    for name, (shape, opacity) in fills.items():
        # One trace for each bar: plotly cannot combine a pattern with a list of colors.
        for label, tick, color in zip(classes, ticks, classes.colors, strict=True):
            score = scores[label]
            figure.add_bar(
                x=[tick],
                y=[getattr(score, name.lower())],
                name=name,
                offsetgroup=name,
                showlegend=False,
                marker=bar_fill(color, shape, opacity),
                hovertemplate=f"{escaped(label)}: {name} %{{y:.1%}}, {score.n:,} faces<extra></extra>",
            )
        # The legend tells the three figures apart, not classes: a grey sample stands for each.
        figure.add_bar(x=[ticks[0]], y=[None], name=name, offsetgroup=name, marker=bar_fill(MUTED, shape, opacity))
    figure.update_layout(
        title={"text": class_finding(scores)},
        barmode="group",
        margin=margins(56, 24, 8, 32),
        legend=legend_above(1.04, itemclick=False),
        xaxis=class_axis(classes),
        yaxis={"title": {"text": "Share"}, "tickformat": ".0%", "range": [0, 1]},
    )
    return figure


def class_finding(scores: Mapping[str, ClassScore]) -> str:
    """The title of the bars: the class with the best and with the worst F1."""
    known = {name: score.f1 for name, score in scores.items() if score.f1 is not None}
    if len(known) < 2:
        return "Precision, recall and F1 of each class"
    best, worst = max(known, key=lambda k: known[k]), min(known, key=lambda k: known[k])
    return f"{capitalized(best)} is recognised best (F1 {known[best]:.2f}), {worst} worst ({known[worst]:.2f})"


def reliability(bins: Sequence[ReliabilityBin], ece: float) -> go.Figure:
    """How often the model is right at each level of confidence; on the diagonal it is as good as it says."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dot"}, hoverinfo="skip", showlegend=False
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
        margin=margins(56, 8, 24, 48),
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
            marker={"size": 13, "color": HIGHLIGHT},
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
        margin=margins(56, 8, 24, 48),
    )
    return figure
