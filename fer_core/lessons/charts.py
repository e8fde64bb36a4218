"""Figures for lessons: the error of a numeric derivative by its step, a kernel over a grid, an experiment's two curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fer_core.figures import RUN_COLOURS, Curve, Quantity, learning_curves
from fer_core.formatting import percent
from fer_core.lessons.experiments import Trained
from fer_core.lessons.math_checks import Array
from fer_core.models import output_side

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MAIN, _SOFT, _ACCENT = "#6C72E8", "rgba(140,147,168,0.35)", "#D55E00"


def error_by_step_figure(steps: Array, errors: Array) -> go.Figure:
    """Error of the central differences over their half-width, both axes logarithmic.

    Args:
        steps: half-widths h, float64 (n,).
        errors: largest difference from the closed form at each, float64 (n,).
    """
    import plotly.graph_objects as go

    shown = np.maximum(errors, 1e-17)  # an error of exactly 0 has no place on a logarithmic axis
    best = int(np.argmin(errors))
    figure = go.Figure()
    figure.add_scatter(
        x=steps, y=shown, mode="lines+markers", line={"color": _MAIN, "width": 2}, marker={"size": 5},
        hovertemplate="h = %{x:.1e}: error %{y:.1e}<extra></extra>", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=[steps[best]], y=[shown[best]], mode="markers+text", marker={"size": 11, "color": _ACCENT},
        text=["best"], textposition="bottom center", hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.update_layout(
        title={"text": _step_finding(steps, best)},
        margin={"l": 60, "r": 12, "t": 8, "b": 44},
        xaxis={"type": "log", "title": {"text": "Step h"}, "exponentformat": "power", "autorange": "reversed"},
        yaxis={"type": "log", "title": {"text": "Error (relative)"}, "exponentformat": "power"},
    )
    return figure


def _step_finding(steps: Array, best: int) -> str:
    if best == int(np.argmax(steps)):
        return "Rounding alone: no third derivative bends the curve, so the largest step is the most exact"
    return f"The error is smallest at h ≈ {steps[best]:.0e}: below it rounding wins, above it the curve bends"


def kernel_figure(side: int, kernel: int, stride: int, padding: int, place: int) -> go.Figure:
    """A padded input with the kernel at one of its places, and the output with the entry it writes.

    Args:
        side: W, of the input.
        kernel: K.
        stride: S.
        padding: P on each side.
        place: which output entry, row by row, 0 … W'² − 1.

    Raises:
        ModelError: the sizes are impossible.
    """
    import plotly.graph_objects as go

    out = output_side(side, kernel, stride, padding)
    row, column = divmod(place, out)
    padded = side + 2 * padding
    figure = go.Figure()
    gap = max(2, padded // 6)
    for y in range(padded):
        for x in range(padded):
            inside = padding <= x < padding + side and padding <= y < padding + side
            covered = row * stride <= y < row * stride + kernel and column * stride <= x < column * stride + kernel
            _cell(
                figure, x, y, _ACCENT if covered else (_MAIN if inside else _SOFT), 0.85 if covered or inside else 0.5
            )
    for y in range(out):
        for x in range(out):
            here = (y, x) == (row, column)
            _cell(figure, padded + gap + x, y, _ACCENT if here else _MAIN, 0.85 if here else 0.35)
    labels = [(padded / 2, f"input {side}×{side}" + (f", padded to {padded}×{padded}" if padding else ""))]
    labels.append((padded + gap + out / 2, f"output {out}×{out}"))
    for middle, text in labels:
        figure.add_annotation(x=middle, y=-0.9, text=text, showarrow=False)
    # Shapes alone do not make an axis; an invisible point at each end does.
    figure.add_scatter(
        x=[0, padded + gap + out], y=[-1.6, max(padded, out)], mode="markers", marker={"opacity": 0}, hoverinfo="skip"
    )
    figure.update_layout(
        title={"text": f"⌊({side} + 2·{padding} − {kernel}) / {stride}⌋ + 1 = {out} places along each side"},
        showlegend=False,
        margin={"l": 4, "r": 4, "t": 8, "b": 4},
        xaxis={"visible": False, "fixedrange": True},
        yaxis={"visible": False, "fixedrange": True, "autorange": "reversed", "scaleanchor": "x"},
    )
    return figure


def _cell(figure: go.Figure, x: float, y: float, colour: str, opacity: float) -> None:
    figure.add_shape(
        type="rect", x0=x + 0.06, x1=x + 0.94, y0=y + 0.06, y1=y + 0.94, fillcolor=colour, opacity=opacity, line_width=0
    )


def experiment_figure(arms: Sequence[Trained], quantity: Quantity) -> go.Figure:
    """Loss or accuracy of both arms over the epochs: dotted on training faces, solid on validation faces, dashed honest.

    Args:
        arms: as :func:`fer_core.lessons.experiments.run` gives them.
        quantity: ``loss`` or ``accuracy``.
    """
    curves = []
    for arm, colour in zip(arms, RUN_COLOURS, strict=False):
        epochs = [record.epoch for record in arm.records]
        for role in ("train", "valid", "honest"):
            values = [getattr(record, f"{role}_{quantity}") for record in arm.records]
            if None not in values:
                curves.append(Curve(f"{arm.name}: {role}", role, epochs, values, colour=colour))
    ends = ", ".join(f"{arm.name} {_last(arm, quantity)}" for arm in arms)
    name = "Validation accuracy" if quantity == "accuracy" else "Validation loss"
    return learning_curves(curves, quantity, title=f"{name} after {len(arms[0].records)} epochs: {ends}")


def _last(arm: Trained, quantity: Quantity) -> str:
    return percent(arm.last.valid_accuracy, 0) if quantity == "accuracy" else f"{arm.last.valid_loss:.2f}"
