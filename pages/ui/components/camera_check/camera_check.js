async function ask() {
  if (!window.isSecureContext) return {name: "InsecureContext"};
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return {name: "NotSupported"};
  try {
    const stream = await navigator.mediaDevices.getUserMedia({video: true, audio: false});
    const track = stream.getVideoTracks()[0];
    const label = track ? track.label : "";
    stream.getTracks().forEach((t) => t.stop());
    return {name: "ok", label};
  } catch (error) {
    return {name: error.name || "UnknownError"};
  }
}

async function quiet() {
  if (!window.isSecureContext || !navigator.mediaDevices) return true;
  try { return (await navigator.permissions.query({name: "camera"})).state !== "prompt"; } catch { return false; }
}

const busy = new WeakSet();

export default function ({data, parentElement, setStateValue}) {
  const button = parentElement.querySelector(".fer-check");
  const note = parentElement.querySelector(".fer-check-note");
  async function run() {
    if (busy.has(parentElement)) return;
    busy.add(parentElement);
    note.textContent = "Asking the browser…";
    const answer = await ask();
    note.textContent = answer.name === "ok" ? "The browser can use the camera. Press START." : "";
    busy.delete(parentElement);
    setStateValue("answer", answer);
  }
  button.onclick = run;
  button.hidden = note.hidden = data.playing;
  if (!data.playing && !parentElement.dataset.asked) {
    parentElement.dataset.asked = "yes";
    quiet().then((yes) => { if (yes && button.isConnected) run(); });
  }
  return () => { button.onclick = null; };
}
