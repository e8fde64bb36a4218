"""Paging of a long gallery."""

from __future__ import annotations

import streamlit as st

from pages.ui.shell.session import set_widget_value, widget_value


def pager(total: int, per_page: int, *, key: str) -> slice:
    """Draw buttons if there are several pages; returns the items of the current page."""
    pages = max(1, -(-total // per_page))
    place = f"{key}-page"
    page = min(int(widget_value(place, 0)), pages - 1)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button("Back", icon=":material/chevron_left:", key=f"{key}-back", disabled=page == 0,
                      on_click=_turn, args=(place, page - 1))  # fmt: skip
            st.button("Next", icon=":material/chevron_right:", key=f"{key}-next", disabled=page == pages - 1,
                      on_click=_turn, args=(place, page + 1))  # fmt: skip
            first, last = page * per_page + 1, min(total, (page + 1) * per_page)
            st.caption(f"{first:,}–{last:,} of {total:,}", width="content")
    return slice(page * per_page, (page + 1) * per_page)


def _turn(place: str, page: int) -> None:
    set_widget_value(place, page)
