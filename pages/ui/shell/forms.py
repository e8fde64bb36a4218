"""Widgets for the settings of :mod:`fer_core.config`: each field provides its default, bounds, title and help.

A :class:`Form` stores its values in a :class:`FormState` instead of the widgets, so that they survive page changes. User
input flows from widget to state; values set by the program flow from state to widget.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fer_core.config import Config
from pages.ui.shell import session


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Smallest and largest value of a field; the config checks open bounds itself."""
    low: float | None = None
    high: float | None = None
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low = float(typing.cast(float, rule.ge if isinstance(rule, Ge) else rule.gt))
        elif isinstance(rule, Le | Lt):
            high = float(typing.cast(float, rule.le if isinstance(rule, Le) else rule.lt))
    return low, high


def help_text(field: FieldInfo) -> str:
    """Return the field's description, bounds and default as one text."""
    parts = [field.description or ""]
    low, high = bounds(field)
    strict_low = any(isinstance(rule, Gt) for rule in field.metadata)
    strict_high = any(isinstance(rule, Lt) for rule in field.metadata)
    if low is not None and high is not None and not strict_low and not strict_high:
        parts.append(f"From {low:g} to {high:g}.")
    elif low is not None or high is not None:
        above = f"{'More than' if strict_low else 'At least'} {low:g}" if low is not None else ""
        below = f"{'less than' if strict_high else 'at most'} {high:g}" if high is not None else ""
        text = ", ".join(filter(None, [above, below]))
        parts.append(text[0].upper() + text[1:] + ".")
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        parts.append(f"Default: {'on' if default else 'off'}.")
    elif isinstance(default, int | float | str):
        parts.append(f"Default: {default:g}." if isinstance(default, float) else f"Default: {default}.")
    return " ".join(part.strip() for part in parts if part)


def step_of(field: FieldInfo) -> float:
    """Return the step of a float input: a tenth of the order of magnitude of the default, or of the range."""
    low, high = bounds(field)
    default = field.get_default(call_default_factory=True)
    size = float(default) if default else min(high if high is not None else 1.0, 1.0)
    if low is not None and size <= low:
        return 0.1
    return float(10.0 ** math.floor(math.log10(abs(size)) - (0 if default else 1)))


@dataclasses.dataclass
class FormState:
    """Values of a form.

    Attributes:
        values: field -> value, for fields that were set or entered.
        current: keys of widgets that already show these values.
    """

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    current: set[str] = dataclasses.field(default_factory=set)


class Form:
    """Widgets for fields of a config.

    Args:
        config: class of the settings.
        name: prefix of the widgets' keys.
        state: stores the values.
    """

    def __init__(self, config: type[Config], name: str, state: FormState) -> None:
        self.config = config
        self._name = name
        self._state = state

    def key(self, name: str, value: Any) -> str:
        """Return the key of a widget; call this right before drawing the widget without a default value.

        The widget shows ``value`` if it is new on the page or the form was filled since the last draw, else its input.
        """
        key = f"{self._name}-{name}"
        if key not in self._state.current or session.widget_value(key) is None:
            session.set_widget_value(key, value)
            self._state.current.add(key)
        return key

    def default(self, name: str) -> Any:
        """Default of a field."""
        return self.config.model_fields[name].get_default(call_default_factory=True)

    def value(self, name: str) -> Any:
        """Current value of a field; a nested config as a dictionary."""
        default = self.default(name)
        value = _as_plain(self._state.values.get(name, default))
        if isinstance(default, BaseModel) and isinstance(value, dict):
            return {**default.model_dump(), **value}  # a preset names some of the fields only
        return value

    def enter(self, name: str, value: Any) -> None:
        """Store the input of a widget that the page draws itself."""
        self._state.values[name] = value

    def values(self) -> dict[str, Any]:
        """Settings that differ from their defaults, for :meth:`Config.parse`; nested configs as dictionaries."""
        return {name: value for name, value in self._state.values.items() if value != _as_plain(self.default(name))}

    def fill(self, values: dict[str, Any]) -> None:
        """Set some fields; call ``st.rerun()`` if this run has already drawn widgets."""
        self._state.values.update({name: value for name, value in values.items() if name in self.config.model_fields})
        self._state.current.clear()

    def reset(self, keep: tuple[str, ...] = ()) -> None:
        """Reset all fields to their defaults, except those in ``keep``."""
        self._state.values = {name: value for name, value in self._state.values.items() if name in keep}
        self._state.current.clear()

    def draw(self, *names: str) -> None:
        """Draw the widgets of some fields below each other."""
        for name in names:
            self.input(name)

    def input(self, name: str, *, disabled: bool = False) -> Any:
        """Draw the widget of a field and return its value; a nested config becomes one widget per field."""
        value = self._widget(self.config.model_fields[name], name, self.value(name), disabled)
        self.enter(name, value)
        return value

    def _widget(self, field: FieldInfo, name: str, value: Any, disabled: bool) -> Any:
        label = field.title or name.rpartition(".")[2].replace("_", " ").capitalize()
        common: dict[str, Any] = {"help": help_text(field), "disabled": disabled}
        kind = _plain_type(field.annotation)
        low, high = bounds(field)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            st.caption(field.description or "")
            return {
                part: self._widget(kind.model_fields[part], f"{name}.{part}", value[part], disabled)
                for part in kind.model_fields
            }
        if get_origin(kind) is Literal:
            options = list(get_args(kind))
            key = self.key(name, value if value in options else options[0])
            return st.selectbox(label, options, key=key, **common)
        if kind is bool:
            return st.toggle(label, key=self.key(name, bool(value)), **common)
        if kind is int:
            return st.number_input(
                label,
                min_value=None if low is None else math.ceil(low),
                max_value=None if high is None else math.floor(high),
                step=1,
                key=self.key(name, int(value)),
                **common,
            )
        if kind is float:
            key = self.key(name, float(value))
            return st.number_input(
                label, min_value=low, max_value=high, step=step_of(field), format="%g", key=key, **common
            )
        if get_origin(kind) is tuple:
            text = st.text_input(label, placeholder="none", key=self.key(name, ", ".join(value)), **common)
            return tuple(filter(None, (part.strip() for part in text.split(","))))
        if get_origin(kind) is dict:
            return self._json_object(label, name, value, common)
        text = st.text_input(label, key=self.key(name, "" if value is None else str(value)), **common).strip()
        return text or (None if _optional(field.annotation) else text)

    def _json_object(self, label: str, name: str, value: Any, common: dict[str, Any]) -> Any:
        shown = value if isinstance(value, str) else json.dumps(value) if value else ""
        text = st.text_input(label, placeholder="{ }", key=self.key(name, shown), **common).strip()
        if not text:
            return {}
        try:
            return json.loads(text)
        except ValueError:
            return text  # the config reports it


def _as_plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _plain_type(annotation: Any) -> Any:
    """The type inside ``X | None``."""
    if get_origin(annotation) in (types.UnionType, typing.Union):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return inner[0] if len(inner) == 1 else str
    return annotation
