const page = document.documentElement;

// The video library's frame comes from this server, so its document can be read and styled.
const FRAME_STYLE = `
  video { display: block; background: #000; }
  .MuiPaper-root:has(> [data-testid="VideoLabelIcon"]) { display: none !important; }`;

function fit() {
  const frame = document.querySelector(".st-key-webcam-video iframe");
  let inside = null;
  try { inside = frame && frame.contentDocument; } catch { return; }
  const content = inside && inside.getElementById("root");
  if (!content) return;
  if (!inside.getElementById("fer-style")) {
    const style = inside.createElement("style");
    style.id = "fer-style";
    style.textContent = FRAME_STYLE;
    inside.head.append(style);
  }
  const video = inside.querySelector("video");
  if (video && video.videoWidth) {
    const aspect = (video.videoWidth / video.videoHeight).toFixed(4);
    if (page.style.getPropertyValue("--fer-aspect") !== aspect) page.style.setProperty("--fer-aspect", aspect);
  }
  // The library reports its height only when its content changes, not when its width does.
  const height = `${Math.ceil(content.getBoundingClientRect().height)}px`;
  if (height !== "0px" && frame.style.height !== height) frame.style.height = height;
}

export default function ({parentElement}) {
  const button = parentElement.querySelector(".fer-full-screen");
  button.hidden = !document.fullscreenEnabled;
  const show = () => {
    const full = document.fullscreenElement !== null;
    page.classList.toggle("fer-full", full);
    button.textContent = full ? "Exit full screen" : "Full screen";
    button.setAttribute("aria-pressed", String(full));
    fit();
  };
  button.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : page.requestFullscreen());
  document.addEventListener("fullscreenchange", show);
  show();
  const timer = setInterval(fit, 300);
  return () => {
    clearInterval(timer);
    document.removeEventListener("fullscreenchange", show);
    page.classList.remove("fer-full");
    page.style.removeProperty("--fer-aspect");
    button.onclick = null;
  };
}
