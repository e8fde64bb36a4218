"""Figures for derivations: error of a numeric derivative over its step, and a kernel on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.charts.theme import ACCENT, margins

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MARKED: Final = "#D55E00"  # best step, and cells under the kernel
_SOFT: Final = "rgba(140,147,168,0.35)"  # padding


def numeric_error(steps: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> go.Figure:
    """Plot the error of central differences over the step, with logarithmic axes.

    Args:
        steps: steps h, float64 (n,).
        errors: largest difference from the closed form per step, float64 (n,).
    """
    import plotly.graph_objects as go

    shown = np.maximum(errors, 1e-17)  # a logarithmic axis has no 0
    best = int(np.argmin(errors))
    figure = go.Figure()
    figure.add_scatter(
        x=steps, y=shown, mode="lines+markers", line={"color": ACCENT, "width": 2}, marker={"size": 5},
        hovertemplate="h = %{x:.1e}: error %{y:.1e}<extra></extra>", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=[steps[best]], y=[shown[best]], mode="markers+text", marker={"size": 11, "color": _MARKED},
        text=["best"], textposition="bottom center", hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.update_layout(
        title={"text": _step_finding(steps, best)},
        margin=margins(60, 8, 12, 44),
        xaxis={"type": "log", "title": {"text": "Step h"}, "exponentformat": "power", "autorange": "reversed"},
        yaxis={"type": "log", "title": {"text": "Error (relative)"}, "exponentformat": "power"},
    )
    return figure


def _step_finding(steps: npt.NDArray[np.float64], best: int) -> str:
    if best == int(np.argmax(steps)):
        return "Rounding error only: the third derivative is 0, so the largest step is best"
    return f"Smallest error at h ≈ {steps[best]:.0e}: rounding dominates below, truncation above"


def kernel_positions(side: int, kernel: int, stride: int, padding: int, place: int) -> go.Figure:
    """Draw a padded input with the kernel at one position, and the output entry it computes.

    Args:
        side: input size W.
        kernel: kernel size K.
        stride: stride S.
        padding: padding P on each side.
        place: index of the output entry, row-major, 0 … W'² − 1.

    Raises:
        ModelError: the sizes are impossible.
    """
    import plotly.graph_objects as go

    from fer_core.models import output_side  # brings torch, which other charts need not wait for

    out = output_side(side, kernel, stride, padding)
    row, column = divmod(place, out)
    padded = side + 2 * padding
    figure = go.Figure()
    gap = max(2, padded // 6)
    cells: list[dict[str, object]] = []
    for y in range(padded):
        for x in range(padded):
            inside = padding <= x < padding + side and padding <= y < padding + side
            covered = row * stride <= y < row * stride + kernel and column * stride <= x < column * stride + kernel
            color = _MARKED if covered else (ACCENT if inside else _SOFT)
            cells.append(_cell(x, y, color, 0.85 if covered or inside else 0.5))
    for y in range(out):
        for x in range(out):
            here = (y, x) == (row, column)
            cells.append(_cell(padded + gap + x, y, _MARKED if here else ACCENT, 0.85 if here else 0.35))
    labels = [(padded / 2, f"input {side}×{side}" + (f", padded to {padded}×{padded}" if padding else ""))]
    labels.append((padded + gap + out / 2, f"output {out}×{out}"))
    for middle, text in labels:
        figure.add_annotation(x=middle, y=-0.9, text=text, showarrow=False)
    # Shapes do not extend an axis; invisible points at its ends do.
    figure.add_scatter(
        x=[0, padded + gap + out], y=[-1.6, max(padded, out)], mode="markers", marker={"opacity": 0}, hoverinfo="skip"
    )
    figure.update_layout(
        title={"text": f"⌊({side} + 2·{padding} − {kernel}) / {stride}⌋ + 1 = {out} positions per side"},
        shapes=cells,  # all at once: Plotly validates every earlier shape again when one is added
        showlegend=False,
        margin=margins(4, 8, 4, 4),
        xaxis={"visible": False, "fixedrange": True},
        yaxis={"visible": False, "fixedrange": True, "autorange": "reversed", "scaleanchor": "x"},
    )
    return figure


def _cell(x: float, y: float, color: str, opacity: float) -> dict[str, object]:
    edges = {"x0": x + 0.06, "x1": x + 0.94, "y0": y + 0.06, "y1": y + 0.94}
    return {"type": "rect", **edges, "fillcolor": color, "opacity": opacity, "line": {"width": 0}}
