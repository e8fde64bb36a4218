"""Network architectures by name: ``build("seed")``."""

from fer_core.models.base import ExpressionModel
from fer_core.models.registry import architectures, build, register
from fer_core.models.summary import LayerRow, count_macs, count_parameters, describe, output_side

__all__ = [
    "ExpressionModel",
    "LayerRow",
    "architectures",
    "build",
    "count_macs",
    "count_parameters",
    "describe",
    "output_side",
    "register",
]
