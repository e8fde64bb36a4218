"""Learning curves of both arms of an experiment in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_core.charts import Curve, Quantity, learning_curves
from fer_core.charts.theme import ROLE_COLORS, RUN_COLORS
from fer_core.formatting import percent
from fer_core.lessons.experiments.base import ArmResult

if TYPE_CHECKING:
    import plotly.graph_objects as go


def experiment_figure(arms: Sequence[ArmResult], quantity: Quantity) -> go.Figure:
    """Plot loss or accuracy of both arms over the epochs: dotted for training, solid for validation, dashed for leak-free.

    Args:
        arms: results from :func:`fer_core.lessons.experiments.run`.
        quantity: ``loss`` or ``accuracy``.
    """
    curves = []
    for arm, color in zip(arms, RUN_COLORS, strict=False):
        epochs = [record.epoch for record in arm.records]
        for role in ROLE_COLORS:
            values = [getattr(record, f"{role}_{quantity}") for record in arm.records]
            if None not in values:
                curves.append(Curve(f"{arm.name}: {role}", role, epochs, values, color=color))
    ends = ", ".join(f"{arm.name} {_last(arm, quantity)}" for arm in arms)
    name = "Validation accuracy" if quantity == "accuracy" else "Validation loss"
    return learning_curves(curves, quantity, title=f"{name} after {len(arms[0].records)} epochs: {ends}")


def _last(arm: ArmResult, quantity: Quantity) -> str:
    return percent(arm.last.valid_accuracy, 0) if quantity == "accuracy" else f"{arm.last.valid_loss:.2f}"
