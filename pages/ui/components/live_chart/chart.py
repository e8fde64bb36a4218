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

from pages.ui.shell import session

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LOADER = """
if (!globalThis.ferPlotly) {
  const module = undefined, exports = undefined, define = undefined;  // the bundle must see a plain browser
  (function () { %s }).call(globalThis);
  globalThis.ferPlotly = globalThis.Plotly || self.Plotly;
}
let told = false;
export default function ({setTriggerValue}) {
  globalThis.dispatchEvent(new Event("fer-plotly-ready"));
  if (!told) setTriggerValue("ready", true);
  told = true;
}
"""

_CHART = """
const CONFIG = {responsive: true, displaylogo: false, scrollZoom: false,
                modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]};

// Colours and font of the page around the chart; Streamlit puts them into custom properties.
function themed(layout, element) {
  const style = getComputedStyle(element);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const text = read("--st-text-color", "#333"), grid = read("--st-border-color", "#ddd");
  const axis = {gridcolor: grid, linecolor: grid, zerolinecolor: grid};
  return {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: {...layout.font, color: text, family: read("--st-font", "sans-serif")},
    hoverlabel: {bgcolor: read("--st-secondary-background-color", "#eee"), bordercolor: grid, font: {color: text}},
    modebar: {bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: text},
    xaxis: {...axis, ...layout.xaxis},
    yaxis: {...axis, ...layout.yaxis},
  };
}

function plotly() {
  if (globalThis.ferPlotly) return Promise.resolve(globalThis.ferPlotly);
  return new Promise((resolve) => addEventListener("fer-plotly-ready", () => resolve(globalThis.ferPlotly), {once: true}));
}

const latest = new WeakMap();   // the newest call for each parent; older ones that still wait do nothing

export default function ({data, parentElement}) {
  const call = {};
  latest.set(parentElement, call);
  const title = parentElement.querySelector(".fer-live-title");
  const node = parentElement.querySelector(".fer-live-chart");
  title.textContent = data.title;
  node.setAttribute("aria-label", data.title);
  node.style.height = data.height + "px";
  const figure = JSON.parse(data.figure);
  plotly().then((Plotly) => {
    if (latest.get(parentElement) === call && node.isConnected) {
      Plotly.react(node, figure.data, themed(figure.layout, node), CONFIG);
    }
  });
  return () => { if (globalThis.ferPlotly) globalThis.ferPlotly.purge(node); };
}
"""

_HTML = '<div class="fer-live-title"></div><div class="fer-live-chart" role="figure"></div>'
_CSS = """
.fer-live-title { font-weight: 600; line-height: 1.4; margin-bottom: 0.25rem; color: var(--st-text-color); }
.fer-live-chart { width: 100%; min-width: 0; }
"""


@lru_cache(maxsize=1)
def _runtime() -> Callable[..., Any]:
    from plotly.offline import get_plotlyjs

    return st.components.v2.component("fer_plotly_runtime", js=_LOADER % get_plotlyjs(), isolate_styles=False)


@lru_cache(maxsize=1)
def _chart() -> Callable[..., Any]:
    return st.components.v2.component("fer_live_chart", html=_HTML, js=_CHART, css=_CSS, isolate_styles=False)


@st.fragment
def plotly_runtime() -> None:
    """Send plotly's JavaScript to the browser; call it once on a page that shows live charts, outside fragments.

    It stays in the browser's window as long as the session lives, so it is sent again only until the browser says
    that it has it: 5 MB at every visit would make the page slow.
    """
    if session.browser_has_plotly():
        return
    if _runtime()(key="fer_plotly_runtime", height=1, on_ready_change=lambda: None).ready:
        session.note_browser_has_plotly()


def live_chart(figure: go.Figure, *, key: str, height: int = 300) -> None:
    """Show ``figure``; a later call with the same key updates the chart in place.

    Args:
        figure: its title becomes a heading that wraps and the chart's name for screen readers. A constant
            ``layout.uirevision`` keeps the zoom, a ``uid`` on each trace keeps what was hidden in the legend.
        key: identity of the chart on the page.
        height: of the chart in pixels.
    """
    title = str(figure.layout.title.text or "")
    figure.update_layout(title={"text": ""})
    _chart()(key=key, data={"title": title, "figure": figure.to_json(remove_uids=False), "height": height})
