"""Plotly figures on a page: the title as a heading that wraps, the chart below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    import plotly.graph_objects as go


def chart(figure: go.Figure, *, key: str, height: int = 340, alt: str = "") -> None:
    """Show a chart that stays as it is; for growing curves see :mod:`pages.ui.components.live_chart`.

    Args:
        figure: Its title becomes a heading that wraps.
        key: Of the element.
        height: In pixels.
        alt: Description for screen readers; the title by default.
    """
    title = str(figure.layout.title.text or "")
    if title:
        st.markdown(f"**{plain(title)}**")
    figure.update_layout(title={"text": ""}, height=height)
    st.plotly_chart(figure, key=key, alt=alt or title, config={"displaylogo": False, "displayModeBar": False})


def dark_theme() -> bool:
    """Whether the browser uses the dark theme."""
    return st.context.theme.type == "dark"
