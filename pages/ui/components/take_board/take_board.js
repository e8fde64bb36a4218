function board(root) {
  const make = (tag, name) => {
    const element = document.createElement(tag);
    element.className = name;
    root.append(element);
    return element;
  };
  const title = make("p", "title"), time = make("div", "time"), hint = make("p", "hint");
  const count = make("small", "count"), faces = make("div", "faces");
  const bar = document.createElement("i");
  time.append(bar);
  hint.setAttribute("role", "status");
  faces.setAttribute("aria-hidden", "true");
  return {title, time, bar, hint, count, faces};
}

// A status is read out when it changes, so it is not touched otherwise.
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const boards = new WeakMap();

// Who presses Record far below, as on a phone, must see oneself.
function showPicture() {
  const picture = document.querySelector(".st-key-webcam-video");
  if (picture && picture.getBoundingClientRect().top < 0) picture.scrollIntoView({block: "start"});
}

export default function ({data, parentElement}) {
  const root = parentElement.querySelector(".fer-take");
  if (!boards.has(root)) boards.set(root, board(root));
  const shown = boards.get(root);
  if (data.phase !== "idle" && !root.classList.contains("running")) showPicture();
  root.classList.toggle("running", data.phase !== "idle");
  root.style.setProperty("--color", data.color);
  root.classList.toggle("good", data.good);
  say(shown.title, data.title);
  shown.title.hidden = shown.time.hidden = data.phase === "idle";
  say(shown.hint, data.hint);
  say(shown.count, data.count);
  shown.count.hidden = shown.faces.hidden = data.phase !== "recording";
  shown.bar.style.transform = `scaleX(${data.left})`;
  shown.faces.replaceChildren(...data.faces.map((png) => {
    const image = document.createElement("img");
    image.src = `data:image/png;base64,${png}`;
    image.alt = "";
    return image;
  }));
}
