"""Networks by name: ``build("seed")``."""

from fer_core.models.base import ExpressionModel
from fer_core.models.registry import architectures, build, register

__all__ = ["ExpressionModel", "architectures", "build", "register"]
