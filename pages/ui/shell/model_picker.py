"""The box in which a model is chosen: it begins with the model in use, and turns to that one when it changes."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.ui.shell import cache


def model_box(label: str, names: Mapping[str, str], *, key: str, help: str, width: int | None = None) -> str:
    """The model that is chosen.

    Args:
        label: Above the box.
        names: At least one model -> what people call it.
        key: Names the place; the choice is forgotten when another model is put to use.
        help: Beside the label.
        width: Of the box in pixels; as wide as there is room when None.
    """
    current = cache.model_in_use()
    return st.selectbox(
        label,
        list(names),
        index=list(names).index(current) if current in names else 0,
        format_func=lambda model: names.get(model, model),
        key=f"{key}-{current}",
        help=help,
        width=width or "stretch",
    )
