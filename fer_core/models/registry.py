"""The registry of architectures. To add one, create a file with a class under ``@register``; nothing here changes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from fer_core.errors import ModelError
from fer_core.models.base import ExpressionModel

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
        ModelError: the architecture is unknown, or does not accept these arguments.
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
        return cls(**args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"The architecture '{name}' cannot be built with {args}: {error}.") from error
