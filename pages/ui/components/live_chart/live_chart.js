const CONFIG = {responsive: true, displaylogo: false, scrollZoom: false,
                modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"]};

// Colors and font of the page around the chart; Streamlit puts them into custom properties.
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
