const RELAY_SECONDS = 10;  // browsers give a silent relay up for lost after about as long
const UDP_SECONDS = 2;     // how much longer UDP may take than TCP
const NOTES = {
  none: "The browser can use the camera. Press START.",
  udp: "The browser can use the camera and reaches the relay. Press START.",
  tcp: "The browser can use the camera. UDP to the relay is blocked, so video uses TCP and may lag. Press START.",
};

async function askCamera() {
  if (!window.isSecureContext) return {name: "InsecureContext"};
  if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) return {name: "NotSupported"};
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

// Asks the relay for a place and gives it back: {name, transport}, with transport "none" where there is no relay.
async function askRelay(servers) {
  const relays = servers.filter((server) => [server.urls].flat().some((url) => /^turns?:/.test(url)));
  if (!relays.length) return {name: "ok", transport: "none"};
  const connection = new RTCPeerConnection({iceServers: relays, iceTransportPolicy: "relay"});
  const transports = new Set();
  const codes = new Set();
  try {
    await new Promise((resolve) => {
      setTimeout(resolve, 1000 * RELAY_SECONDS);
      connection.onicecandidateerror = ({errorCode}) => codes.add(errorCode);
      connection.onicecandidate = ({candidate}) => {
        if (!candidate) return resolve();
        if (candidate.type !== "relay") return;
        transports.add(candidate.relayProtocol || "udp");  // Firefox does not tell
        if (transports.has("udp")) resolve();
        else setTimeout(resolve, 1000 * UDP_SECONDS);
      };
      connection.createDataChannel("check");
      connection.setLocalDescription().catch(resolve);
    });
  } finally {
    connection.close();
  }
  if (transports.size) return {name: "ok", transport: transports.has("udp") ? "udp" : "tcp"};
  if (codes.has(486)) return {name: "RelayFull"};
  return {name: [...codes].some((code) => code >= 400 && code < 700) ? "RelayRefused" : "RelaySilent"};
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
    let answer = await askCamera();
    if (answer.name === "ok") answer = {...answer, ...await askRelay(data.servers || [])};
    note.textContent = answer.name === "ok" ? NOTES[answer.transport] : "";
    busy.delete(parentElement);
    setStateValue("answer", answer);
  }
  button.onclick = run;
  button.hidden = note.hidden = data.playing;
  if (data.playing || !data.failed) delete parentElement.dataset.failed;
  if (!data.playing && !parentElement.dataset.asked) {
    parentElement.dataset.asked = "yes";
    quiet().then((yes) => { if (yes && button.isConnected) run(); });
  } else if (!data.playing && data.failed && !parentElement.dataset.failed) {
    parentElement.dataset.failed = "yes";
    run();
  }
  return () => { button.onclick = null; };
}
