"""A plotly chart that updates in place: the DOM node, the zoom and the legend stay while new points arrive.

``st.plotly_chart`` mounts a new node whenever its figure changes, which loses the zoom and flickers. This component
keeps one node and hands each new figure to ``Plotly.react``. The JavaScript is the one shipped inside the plotly
package, so nothing is fetched from a network; it is sent once, by a component of its own whose content never changes.

    plotly_runtime()                       # once on the page, outside any fragment
    live_chart(figure, key="loss")
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.components.files import component, read
from pages.ui.shell import session

if TYPE_CHECKING:
    import plotly.graph_objects as go


_HTML = '<div class="fer-live-title"></div><div class="fer-live-chart" role="figure"></div>'


@lru_cache(maxsize=1)
def _runtime() -> Callable[..., Any]:
    from plotly.offline import get_plotlyjs

    script = read(__file__, "runtime.js").replace("/* plotly */", get_plotlyjs())
    return st.components.v2.component("fer_plotly_runtime", js=script, isolate_styles=False)


@lru_cache(maxsize=1)
def _chart() -> Callable[..., Any]:
    return component(__file__, "live_chart", _HTML)


@st.fragment
def plotly_runtime() -> None:
    """Send Plotly's JavaScript to the browser; call this once per page with live charts, outside fragments.

    It is sent until the browser confirms it, and then stays loaded for the session; 5 MB per visit would be slow.
    """
    if session.browser_has_plotly():
        return
    if _runtime()(key="fer_plotly_runtime", height=1, on_ready_change=lambda: None).ready:
        session.note_browser_has_plotly()


def live_chart(figure: go.Figure, *, key: str, height: int = 300) -> None:
    """Draw a figure; a later call with the same key updates it in place.

    Args:
        figure: its title becomes a heading that wraps and the chart's name for screen readers. A constant
            ``layout.uirevision`` keeps the zoom, a ``uid`` on each trace keeps what was hidden in the legend.
        key: key of the chart.
        height: height in pixels.
    """
    title = str(figure.layout.title.text or "")
    figure.update_layout(title={"text": ""})
    _chart()(key=key, data={"title": title, "figure": figure.to_json(remove_uids=False), "height": height})
