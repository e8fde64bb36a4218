"""Learning curves of training runs, and their titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fer_core.charts.theme import ROLE_COLORS, ROLE_DASHES, Role, legend_above, margins
from fer_core.errors import FerError
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

Quantity = Literal["loss", "accuracy"]


@dataclass(frozen=True)
class Curve:
    """One line of a learning-curve figure.

    Attributes:
        name: text in the legend.
        role: determines the dash, and the color unless ``color`` is set.
        epochs: numbers of the epochs, from 1.
        values: loss in nats or accuracy in 0…1, one per epoch.
        color: hex color, for overlays of several runs.
        key: identity across updates, so that a hidden line stays hidden.
    """

    name: str
    role: Role
    epochs: Sequence[int]
    values: Sequence[float]
    color: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if len(self.epochs) != len(self.values):
            raise FerError(f"The curve '{self.name}' has {len(self.epochs)} epochs but {len(self.values)} values.")


def learning_curves(
    curves: Sequence[Curve], quantity: Quantity, *, title: str, planned_epochs: int | None = None, revision: str = ""
) -> go.Figure:
    """Plot loss or accuracy per epoch.

    Args:
        curves: the lines; may be empty.
        quantity: determines the y axis.
        title: the finding.
        planned_epochs: end of the x axis, so that it does not change with every epoch.
        revision: figures with the same revision keep zoom and hidden lines.
    """
    import plotly.graph_objects as go

    accuracy = quantity == "accuracy"
    figure = go.Figure()
    for curve in curves:
        figure.add_scatter(
            x=list(curve.epochs),
            y=list(curve.values),
            name=curve.name,
            uid=curve.key or f"{curve.name}-{curve.role}",
            mode="lines+markers" if len(curve.epochs) <= 60 else "lines",
            line={"color": curve.color or ROLE_COLORS[curve.role], "dash": ROLE_DASHES[curve.role], "width": 2.25},
            marker={"size": 5},
            hovertemplate="epoch %{x}: %{y:.1%}" if accuracy else "epoch %{x}: %{y:.4f}",
        )
    last = max([planned_epochs or 1, *(curve.epochs[-1] for curve in curves if len(curve.epochs))])
    values = [value for curve in curves for value in curve.values]
    figure.update_layout(
        title={"text": title},
        uirevision=revision or "constant",
        hovermode="x unified",
        margin=margins(56, 8, 12, 40),
        legend=legend_above(),
        xaxis={"title": {"text": "Epoch"}, "range": [0.5, last + 0.5], "tickformat": "d", "zeroline": False},
        yaxis={
            "title": {"text": "Accuracy" if accuracy else "Loss (nats)"},
            "tickformat": ".0%" if accuracy else ".2f",
            "zeroline": False,
        },
    )
    if not values:
        figure.update_yaxes(range=[0, 1] if accuracy else [0, 2])
    if last <= 12:
        figure.update_xaxes(dtick=1)
    return figure


def accuracy_finding(valid: Sequence[float], honest: Sequence[float] = (), *, leaky: bool = False) -> str:
    """Return the title of an accuracy chart. Accuracies in 0…1, one per epoch."""
    if not valid:
        return "Accuracy: the first epoch is not finished yet"
    if leaky:
        memory = f"“Validation” accuracy of {percent(valid[-1])} is memory"
        return f"{memory}; leak-free accuracy is {percent(honest[-1])}" if honest else f"{memory}, not skill"
    best = max(range(len(valid)), key=lambda i: valid[i])
    if best == len(valid) - 1:
        return f"Validation accuracy is at its best: {percent(valid[-1])} in epoch {len(valid)}"
    return f"Validation accuracy is best in epoch {best + 1}: {percent(valid[best])} (now {percent(valid[-1])})"


def loss_finding(train: Sequence[float], valid: Sequence[float], *, leaky: bool = False) -> str:
    """The title of a loss chart. Losses in nats, one for each epoch.

    Over-fitting is named when the validation loss has been above its minimum for at least two epochs, by more than
    2%, while the training loss still fell.
    """
    if not valid:
        return "Loss: the first epoch is not finished yet"
    best = min(range(len(valid)), key=lambda i: valid[i])
    since = len(valid) - 1 - best
    if since >= 2 and valid[-1] > 1.02 * valid[best] and train[-1] < train[best]:
        return f"Over-fitting: validation loss has risen since epoch {best + 1} ({valid[best]:.2f} → {valid[-1]:.2f})"
    if leaky:
        return f"Both losses fall because both are measured on training faces ({valid[-1]:.2f})"
    if since >= 2:
        return f"Validation loss has stalled since epoch {best + 1} ({valid[best]:.2f})"
    return f"Validation loss is {valid[-1]:.2f} after {len(valid)} epoch{'s' if len(valid) > 1 else ''}"
