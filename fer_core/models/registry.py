"""The registry of architectures. To add one, create a file with a class under ``@register``; nothing here changes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, Final

from fer_core.errors import ModelError
from fer_core.models.base import ExpressionModel

MOST_PARAMETERS: Final = 100_000_000
"""Of a network; 0.4 GB of weights. ``compact`` has 1.5 million."""

_ARCHITECTURES: dict[str, type[ExpressionModel]] = {}


def register(name: str) -> Callable[[type[ExpressionModel]], type[ExpressionModel]]:
    """Return a class decorator that registers an architecture under ``name``; duplicate names raise an error."""

    def add(cls: type[ExpressionModel]) -> type[ExpressionModel]:
        if name in _ARCHITECTURES and _ARCHITECTURES[name].__qualname__ != cls.__qualname__:
            raise ValueError(f"architecture '{name}' is already registered by {_ARCHITECTURES[name]}")
        _ARCHITECTURES[name] = cls
        return cls

    return add


def _discover() -> None:
    """Import every module of this package, so that each registers its architecture."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def architectures() -> dict[str, str]:
    """Return the known architectures: name -> first line of the class's docstring."""
    _discover()
    return {name: (inspect.getdoc(cls) or "").splitlines()[0] for name, cls in sorted(_ARCHITECTURES.items())}


def build(name: str, **args: Any) -> ExpressionModel:
    """Build a newly initialized network.

    Raises:
        ModelError: the architecture is unknown, does not accept these arguments, or would have more than
            :data:`MOST_PARAMETERS` parameters with them.
    """
    _discover()
    if name not in _ARCHITECTURES:
        raise ModelError(f"There is no architecture '{name}'. Known: {', '.join(sorted(_ARCHITECTURES))}.")
    cls = _ARCHITECTURES[name]
    try:
        inspect.signature(cls).bind(**args)
    except TypeError as error:
        known = ", ".join(inspect.signature(cls).parameters) or "none"
        raise ModelError(
            f"The architecture '{name}' does not accept these arguments: {error}. It accepts: {known}."
        ) from error
    try:
        if args:
            _check_size(cls, args)
        return cls(**args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"The architecture '{name}' cannot be built with {args}: {error}.") from error


def _check_size(cls: type[ExpressionModel], args: dict[str, Any]) -> None:
    """Count the parameters without allocating them: a checkpoint or a visitor of a server may ask for any size.

    Raises:
        ValueError: there are too many.
    """
    import torch

    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in cls(**args).parameters())
    if count > MOST_PARAMETERS:
        raise ValueError(f"it would have {count:,} parameters; at most {MOST_PARAMETERS:,} are allowed")
