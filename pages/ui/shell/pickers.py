"""Choices: one of a few, and the box in which a model is chosen, which turns to the model in use when that changes."""

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
    """The one that is chosen of a few, side by side.

    Args:
        label: Names the choice, for those who do not see it too.
        titles: At least one option -> what its button says.
        key: Of the widget; its value may be set before this is called.
        default: Chosen at first, and when the chosen one is no option any more; the first option when None.
        show_label: Whether the label stands above the buttons.
        help: Beside the label.
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
    """Key of a box -> the model in use that it was last brought to; afterwards another choice in the box stands."""

    followed: dict[str, str | None] = field(default_factory=dict)


def model_box(label: str, names: Mapping[str, str], *, key: str, help: str, width: int | None = None) -> str:
    """The model that is chosen.

    Args:
        label: Above the box.
        names: At least one model -> what people call it.
        key: Names the place; the choice is forgotten when another model is put to use.
        help: Beside the label.
        width: Of the box in pixels; as wide as there is room when None.
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
