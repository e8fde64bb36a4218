"""Pickers: segmented buttons, and a model box that follows the model in use."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import streamlit as st

from pages.ui.shell import cache, session

Option = TypeVar("Option", bound=Hashable)


def one_of(
    label: str,
    titles: Mapping[Option, str],
    *,
    key: str,
    default: Option | None = None,
    show_label: bool = False,
    help: str | None = None,
) -> Option:
    """Draw a few options side by side and return the selected one.

    Args:
        label: Name of the choice, also for screen readers.
        titles: At least one option -> label of its button.
        key: Key of the widget; its value may be set beforehand.
        default: Selected initially, and when the selected option disappears; the first option if None.
        show_label: Show the label above the buttons.
        help: Tooltip of the label.
    """
    if session.widget_value(key) not in titles:
        session.set_widget_value(key, next(iter(titles)) if default is None else default)
    st.segmented_control(
        label,
        list(titles),
        format_func=titles.__getitem__,
        required=True,
        key=key,
        label_visibility="visible" if show_label else "collapsed",
        help=help,
    )
    chosen: Option = session.widget_value(key)
    return chosen


@dataclass
class PickerState:
    """Key of a box -> the model in use that it followed last; a later selection in the box wins."""

    followed: dict[str, str | None] = field(default_factory=dict)


def model_box(label: str, names: Mapping[str, str], *, key: str, help: str, width: int | None = None) -> str:
    """Draw a select box of models and return the selected one.

    Args:
        label: Label of the box.
        names: At least one model -> display name.
        key: Key of the box; its selection is reset when the model in use changes.
        help: Tooltip of the label.
        width: Width in pixels; the full width if None.
    """
    followed = session.state_of(PickerState).followed
    current = cache.model_in_use()
    if followed.get(key) != current or session.widget_value(key) not in names:
        followed[key] = current
        session.set_widget_value(key, current if current in names else next(iter(names)))
    return st.selectbox(
        label,
        list(names),
        format_func=lambda model: names.get(model, model),
        key=key,
        help=help,
        width=width or "stretch",
    )
