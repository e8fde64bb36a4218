"""Arrays to plotly figures, for the pages and the report. Titles say the finding; axes carry their unit.

Figures set no background and no font, so that they fit a light page, a dark page and paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fer_core.classes import COLOURS, EMOTIONS, LABELS
from fer_core.errors import FerError
from fer_core.formatting import percent

if TYPE_CHECKING:
    import plotly.graph_objects as go

Quantity = Literal["loss", "accuracy"]
Role = Literal["train", "valid", "honest"]

ROLE_COLOURS: Final[dict[Role, str]] = {"train": "#8C93A8", "valid": "#6C72E8", "honest": "#D6336C"}
"""Apart from every emotion's colour, and readable on white and on near-black."""
_ROLE_DASH: Final[dict[Role, str]] = {"train": "dot", "valid": "solid", "honest": "dash"}
RUN_COLOURS: Final[tuple[str, ...]] = ("#6C72E8", "#D6336C", "#2B9C93", "#B7791F", "#8F5FBF", "#64748B")
"""For overlays of several runs, in this order, then again from the first."""

_SPLIT_PATTERN: Final[dict[str, str]] = {"train": "", "valid": "/", "test": "x"}
_SPLIT_OPACITY: Final[dict[str, float]] = {"train": 1.0, "valid": 0.75, "test": 0.5}


@dataclass(frozen=True)
class Curve:
    """One line of a learning-curve figure.

    Attributes:
        name: what the legend says.
        role: decides dash, and the colour unless one is given.
        epochs: numbers of the epochs, from 1.
        values: loss in nats or accuracy in 0…1, as many as epochs.
        colour: hex colour, for overlays of several runs.
        key: identity across updates, so that a line hidden in the legend stays hidden.
    """

    name: str
    role: Role
    epochs: Sequence[int]
    values: Sequence[float]
    colour: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if len(self.epochs) != len(self.values):
            raise FerError(f"The curve '{self.name}' has {len(self.epochs)} epochs but {len(self.values)} values.")


def learning_curves(
    curves: Sequence[Curve], quantity: Quantity, *, title: str, planned_epochs: int | None = None, revision: str = ""
) -> go.Figure:
    """Loss or accuracy for each epoch.

    Args:
        curves: the lines; none gives an empty frame.
        quantity: decides the y axis.
        title: the finding.
        planned_epochs: the x axis reaches so far from the beginning, so that it does not jump at every epoch.
        revision: zoom and legend are kept between figures with the same revision.
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
            line={"color": curve.colour or ROLE_COLOURS[curve.role], "dash": _ROLE_DASH[curve.role], "width": 2.25},
            marker={"size": 5},
            hovertemplate="epoch %{x}: %{y:.1%}" if accuracy else "epoch %{x}: %{y:.4f}",
        )
    last = max([planned_epochs or 1, *(curve.epochs[-1] for curve in curves if len(curve.epochs))])
    values = [value for curve in curves for value in curve.values]
    figure.update_layout(
        title={"text": title},
        uirevision=revision or "constant",
        hovermode="x unified",
        margin={"l": 56, "r": 12, "t": 8, "b": 40},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
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
    """The title of an accuracy chart: what the curves say so far. Accuracies in 0…1, one for each epoch."""
    if not valid:
        return "Accuracy: the first epoch is not finished yet"
    if leaky:
        memory = f"“Validation” accuracy of {percent(valid[-1])} is memory"
        return f"{memory}; on faces never seen it is {percent(honest[-1])}" if honest else f"{memory}, not skill"
    best = max(range(len(valid)), key=lambda i: valid[i])
    if best == len(valid) - 1:
        return f"Validation accuracy is at its best so far: {percent(valid[-1])} in epoch {len(valid)}"
    return f"Validation accuracy is best in epoch {best + 1}: {percent(valid[best])} (now {percent(valid[-1])})"


def loss_finding(train: Sequence[float], valid: Sequence[float], *, leaky: bool = False) -> str:
    """The title of a loss chart. Losses in nats, one for each epoch.

    Over-fitting is named when the validation loss has been above its minimum for at least two epochs, by more than
    2 %, while the training loss still fell.
    """
    if not valid:
        return "Loss: the first epoch is not finished yet"
    best = min(range(len(valid)), key=lambda i: valid[i])
    since = len(valid) - 1 - best
    if since >= 2 and valid[-1] > 1.02 * valid[best] and train[-1] < train[best]:
        return f"Over-fitting: validation loss has risen since epoch {best + 1} ({valid[best]:.2f} → {valid[-1]:.2f})"
    if leaky:
        return f"Both losses fall together because both are measured on faces trained on ({valid[-1]:.2f})"
    if since >= 2:
        return f"Validation loss has stalled since epoch {best + 1} ({valid[best]:.2f})"
    return f"Validation loss stands at {valid[-1]:.2f} after {len(valid)} epoch{'s' if len(valid) > 1 else ''}"


def class_counts(per_class: Mapping[str, Mapping[str, int]], *, shares: bool = False) -> go.Figure:
    """Faces of each emotion in each split, as stacked counts or as shares within each split side by side.

    Args:
        per_class: split -> emotion -> number of faces, as :meth:`FaceDataset.per_class` gives it.
        shares: show for each split the share of each emotion instead.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    splits = [split for split, table in per_class.items() if sum(table.values())]
    for split in splits:
        table = per_class[split]
        total = sum(table.values())
        for name in LABELS:  # a trace for each bar: plotly takes a pattern's colours one at a time
            figure.add_bar(
                x=[name],
                y=[table[name] / total if shares else table[name]],
                name=split,
                offsetgroup=split if shares else None,
                showlegend=False,
                marker=_split_fill(split, COLOURS[name]),
                hovertemplate=f"{name}, {split}: {table[name]:,} faces ({percent(table[name] / total)} of {split})<extra></extra>",
            )
        # The legend tells splits apart, not emotions: a grey sample stands for each.
        sample = _split_fill(split, "#8C93A8")
        figure.add_bar(x=[LABELS[0]], y=[None], name=split, marker=sample, showlegend=len(splits) > 1)
    if not shares:
        totals = [sum(per_class[split][name] for split in splits) for name in LABELS]
        figure.add_scatter(
            x=list(LABELS),
            y=totals,
            text=[f"{n:,}" for n in totals],
            mode="text",
            textposition="top center",
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
    figure.update_layout(
        title={"text": balance_finding(per_class)},
        barmode="group" if shares else "stack",
        xaxis={"autotickangles": [0, -45]},
        margin={"l": 56, "r": 12, "t": 24, "b": 32},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.04,
            "xanchor": "left",
            "yanchor": "bottom",
            "traceorder": "normal",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        yaxis={"title": {"text": "Share of the split" if shares else "Faces"}, "tickformat": ".0%" if shares else ",d"},
    )
    return figure


def _split_fill(split: str, colour: str) -> dict[str, object]:
    """How a bar of a split is filled; splits can be told apart without colour too."""
    fill: dict[str, object] = {"opacity": _SPLIT_OPACITY[split], "color": colour}
    if _SPLIT_PATTERN[split]:
        pattern = {"shape": _SPLIT_PATTERN[split], "size": 6, "solidity": 0.25}
        fill["pattern"] = {**pattern, "fillmode": "overlay", "fgcolor": "#FFFFFF"}
    return fill


def balance_finding(per_class: Mapping[str, Mapping[str, int]]) -> str:
    """The title of a class-balance chart: the largest and the smallest class, over all splits together."""
    totals = {e.name: sum(table[e.name] for table in per_class.values()) for e in EMOTIONS}
    n = sum(totals.values())
    largest, smallest = max(totals, key=lambda k: totals[k]), min(totals, key=lambda k: totals[k])
    if totals[largest] == totals[smallest]:
        return f"All classes are equally large: {totals[largest]:,} faces each"
    if totals[largest] <= 1.1 * totals[smallest]:
        return f"The classes are balanced: {totals[smallest]:,} to {totals[largest]:,} faces each"
    return (
        f"{largest.capitalize()} is the largest class ({percent(totals[largest] / n)} of the faces), "
        f"{smallest} the smallest ({percent(totals[smallest] / n)})"
    )
