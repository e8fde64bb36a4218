// Puts plotly's own script, which takes the place of the comment below, where live charts find it.
if (!globalThis.ferPlotly) {
  const module = undefined, exports = undefined, define = undefined;  // the bundle must see a plain browser
  (function () { /* plotly */ }).call(globalThis);
  globalThis.ferPlotly = globalThis.Plotly || self.Plotly;
}
let told = false;
export default function ({setTriggerValue}) {
  globalThis.dispatchEvent(new Event("fer-plotly-ready"));
  if (!told) setTriggerValue("ready", true);
  told = true;
}
