"""Class scores, reliability diagram, and risk-coverage curve of an evaluation."""

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

if TYPE_CHECKING:
    import plotly.graph_objects as go


def class_scores(scores: Mapping[str, ClassScore], classes: ClassList) -> go.Figure:
    """Plot precision, recall and F1 per class; a class without examples has no bars."""
    import plotly.graph_objects as go

    figure = go.Figure()
    ticks = tick_names(classes)
    fills = {"precision": ("/", 0.75), "recall": ("", 1.0), "F1": ("x", 0.5)}
    for name, (shape, opacity) in fills.items():
        # One trace per bar: Plotly cannot combine a pattern with a list of colors.
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
        # The legend identifies the three scores by gray samples, not classes.
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
    """Return the title: the classes with the best and the worst F1."""
    known = {name: score.f1 for name, score in scores.items() if score.f1 is not None}
    if len(known) < 2:
        return "Precision, recall and F1 per class"
    best, worst = max(known, key=lambda k: known[k]), min(known, key=lambda k: known[k])
    return f"Best F1: {best} ({known[best]:.2f}); worst: {worst} ({known[worst]:.2f})"


def reliability(bins: Sequence[ReliabilityBin], ece: float) -> go.Figure:
    """Plot accuracy over confidence; on the diagonal, the model is perfectly calibrated."""
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
        hovertemplate="confidence %{x:.0%}, accuracy %{y:.0%} (%{customdata:,} faces)<extra></extra>",
    )
    figure.update_layout(
        title={"text": reliability_finding(bins, ece)},
        xaxis={"title": {"text": "Confidence (top probability)"}, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis={"title": {"text": "Accuracy"}, "tickformat": ".0%", "range": [0, 1.02]},
        margin=margins(56, 8, 24, 48),
    )
    return figure


def reliability_finding(bins: Sequence[ReliabilityBin], ece: float) -> str:
    """Return the title of a reliability diagram: overconfident, underconfident or well calibrated."""
    gap = sum(b.n * (b.confidence - b.accuracy) for b in bins) / max(1, sum(b.n for b in bins))
    if ece < 0.02:
        return f"The model is well calibrated (ECE {ece:.3f})"
    if abs(gap) < ece / 2:
        return f"Overconfident on some faces, underconfident on others (ECE {ece:.3f})"
    return f"The model is {'overconfident' if gap > 0 else 'underconfident'} (ECE {ece:.3f})"


def risk_coverage(curve: RiskCoverage, threshold: float) -> go.Figure:
    """Plot the error rate over the share of predicted faces, with the current threshold."""
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
        hovertemplate="threshold %{customdata:.0%}: %{x:.0%} predicted, %{y:.1%} of them wrong<extra></extra>",
    )
    if risk is not None:
        figure.add_scatter(
            x=[coverage],
            y=[risk],
            mode="markers",
            showlegend=False,
            marker={"size": 13, "color": HIGHLIGHT},
            hovertemplate="current: %{x:.0%} predicted, %{y:.1%} of them wrong<extra></extra>",
        )
    title = (
        f"Threshold {threshold:.0%}: predicts {coverage:.0%} of the faces, {risk:.1%} of them wrong"
        if risk is not None
        else f"Threshold {threshold:.0%}: abstains from every face"
    )
    figure.update_layout(
        title={"text": title},
        xaxis={"title": {"text": "Coverage (share of predicted faces)"}, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis={"title": {"text": "Risk (error rate)"}, "tickformat": ".0%", "rangemode": "tozero"},
        margin=margins(56, 8, 24, 48),
    )
    return figure
