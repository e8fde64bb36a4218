"""Plotly figures on a page: the finding as a heading that wraps, the chart beneath it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    import plotly.graph_objects as go


def chart(figure: go.Figure, *, key: str, height: int = 340) -> None:
    """A chart that does not change while it is looked at; for growing curves see :mod:`pages.ui.components.live_chart`."""
    title = str(figure.layout.title.text or "")
    if title:
        st.markdown(f"**{plain(title)}**")
    figure.update_layout(title={"text": ""}, height=height)
    st.plotly_chart(figure, key=key, alt=title, config={"displaylogo": False, "displayModeBar": False})


def dark_theme() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"
