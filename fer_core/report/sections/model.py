"""Part 1: architecture and layer table with derived sizes."""

from __future__ import annotations

from markupsafe import Markup

from fer_core.lessons.formulas import FORMULAS
from fer_core.lessons.mathml import to_mathml
from fer_core.models import count_parameters, describe
from fer_core.models.summary import LayerRow
from fer_core.report.data import ReportData
from fer_core.report.rendering import render


def model(data: ReportData) -> str:
    """Render architecture and layer table."""
    layers = describe(data.network)
    return render(
        "sections/model.html",
        name=data.config.model,
        about=(type(data.network).__doc__ or data.config.model).strip().splitlines()[0].rstrip("."),
        parameters=count_parameters(data.network),
        macs=sum(layer.macs for layer in layers),
        size_formula=Markup(to_mathml(FORMULAS["conv_size"].statement)),
        rows=[_row(layer) for layer in layers],
    )


def _row(layer: LayerRow) -> list[str]:
    weights = f"{layer.weights} = " if layer.weights else ""
    counted = layer.parameters and layer.call == 1
    return [
        layer.label, layer.kind, _shape(layer.input), _shape(layer.output), layer.derivation,
        f"{weights}{layer.parameters:,}" if counted else "",
        f"{layer.macs:,}" if layer.macs else "",
    ]  # fmt: skip


def _shape(sides: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in sides)
