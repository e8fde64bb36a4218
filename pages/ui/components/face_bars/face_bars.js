function card(labels, colors, span) {
  const section = document.createElement("section");
  const heading = document.createElement("h4");
  const bars = document.createElement("div");
  bars.className = "bars";
  const rows = labels.map((label, i) => {
    const name = document.createElement("span"), track = document.createElement("span");
    const fill = document.createElement("i"), value = document.createElement("span");
    name.textContent = name.title = label;
    name.dir = "auto";
    track.className = "track";
    fill.style.background = colors[i];
    track.append(fill);
    bars.append(name, track, value);
    return {fill, value};
  });
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const axis = document.createElement("div");
  axis.className = "axis";
  for (const text of [`${span} s ago`, "now"]) {
    const end = document.createElement("span");
    end.textContent = text;
    axis.append(end);
  }
  const send = document.createElement("button");
  send.type = "button";
  send.textContent = "Send this face to Upload";
  send.title = "Opens this face on the Upload page with its explanation";
  const top = document.createElement("header");
  top.append(heading, send);
  section.append(top, bars, canvas, axis);
  return {section, heading, send, rows, canvas};
}

function line(canvas, face, colors, span) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  pen.strokeStyle = getComputedStyle(canvas).getPropertyValue("--st-border-color").trim() || "#ddd";
  pen.lineWidth = scale;
  for (const share of [0, 0.5, 1]) {
    const y = scale + (1 - share) * (height - 2 * scale);
    pen.beginPath(); pen.moveTo(0, y); pen.lineTo(width, y); pen.stroke();
  }
  pen.lineWidth = 2 * scale;
  pen.lineJoin = "round";
  colors.forEach((color, i) => {
    pen.strokeStyle = color;
    pen.beginPath();
    face.times.forEach((t, k) => {
      const x = width * (1 + t / span), y = scale + (1 - face.lines[k][i] / 100) * (height - 2 * scale);
      k ? pen.lineTo(x, y) : pen.moveTo(x, y);
    });
    pen.stroke();
  });
}

const cards = new WeakMap();  // for each parent: face number -> its card

export default function ({data, parentElement, setTriggerValue}) {
  const root = parentElement.querySelector(".fer-faces");
  const known = cards.get(root) || new Map();
  cards.set(root, known);
  const numbers = new Set(data.faces.map((face) => face.number));
  for (const [number, old] of known) {
    if (!numbers.has(number)) { old.section.remove(); known.delete(number); }
  }
  for (const face of data.faces) {
    let made = known.get(face.number);
    const classes = JSON.stringify(face.labels);
    if (!made || made.classes !== classes) {  // another model, or other classes among the most probable
      if (made) made.section.remove();
      made = card(face.labels, face.colors, data.span);
      made.classes = classes;
      known.set(face.number, made);
    }
    if (made.section.parentElement !== root) root.append(made.section);
    made.heading.textContent = face.title;
    made.send.onclick = () => setTriggerValue("sent", face.number);
    face.bars.forEach((percent, i) => {
      made.rows[i].fill.style.width = percent + "%";
      made.rows[i].value.textContent = `${percent}%`;
    });
    made.canvas.setAttribute("aria-label", `${face.title}; probabilities over the last ${data.span} seconds`);
    line(made.canvas, face, face.colors, data.span);
  }
}
