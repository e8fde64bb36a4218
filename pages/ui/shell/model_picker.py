"""The box in which a model is chosen: it begins with the model in use, and turns to that one when it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from pages.ui.shell import cache, session


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
