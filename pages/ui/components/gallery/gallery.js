// A gallery of faces: a click opens one, a tick selects it, all by mouse or keyboard.

const latest = new WeakMap();  // for each gallery: what was last drawn in it

// Shows whole rows only: the last, ragged one is hidden, and not reachable by keyboard either.
function trim(grid) {
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const whole = Math.floor(grid.children.length / columns) * columns || grid.children.length;
  [...grid.children].forEach((child, i) => { child.hidden = i >= whole; });
}
const trimmer = new ResizeObserver((entries) => entries.forEach((entry) => trim(entry.target)));

function make(tag, name = "", text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.textContent = text;
  return element;
}

function dot(color) {
  const element = make("i");
  element.style.background = color;
  return element;
}

function heading(group) {
  const line = make("h4");
  if (group.color) line.append(dot(group.color));
  line.append(group.title, make("small", "", group.note));
  return line;
}

function picture(face, onOpen) {
  const open = make("button");
  open.type = "button";
  open.title = face.title;
  open.setAttribute("aria-label", "Open " + face.title);
  open.dataset.face = face.id;
  open.onclick = () => onOpen(face.id);
  const image = make("img");
  image.src = "data:image/png;base64," + face.png;
  image.alt = "";
  open.append(image);
  return open;
}

function tick(face, onTick) {
  const box = make("input");
  box.type = "checkbox";
  box.setAttribute("aria-label", "Select " + face.title);
  box.onchange = () => onTick(face.id, box.checked);
  return box;
}

function selectButtons(onAll) {
  const bar = make("nav");
  for (const [name, on] of [["Select all shown", true], ["Select none", false]]) {
    const button = make("button", "", name);
    button.type = "button";
    button.onclick = () => onAll(on);
    bar.append(button);
  }
  return bar;
}

export default function ({data, parentElement, setTriggerValue, setStateValue}) {
  const gallery = parentElement.querySelector(".fer-gallery");
  gallery.style.setProperty("--face", data.size + "px");
  gallery.classList.toggle("whole-rows", data.whole_rows);
  const drawn = JSON.stringify(data);
  if (latest.get(gallery) === drawn) return;  // the same faces: ticks and focus stay
  latest.set(gallery, drawn);

  const ticked = new Set(), ticks = new Map();  // ticks: id -> its box and figure
  const set = (id, on) => {
    const {box, figure} = ticks.get(id);
    box.checked = on;
    figure.classList.toggle("on", on);
    on ? ticked.add(id) : ticked.delete(id);
  };
  const tell = () => setStateValue("selected", [...ticked]);

  gallery.replaceChildren(...data.groups.map((group) => {
    const section = make("section");
    if (group.title || group.note) section.append(heading(group));
    const grid = make("div");
    if (data.groups.length > 1 && !data.whole_rows && group.faces.length <= 4) {  // pairs and small groups stand side by side
      section.classList.add("small");
      section.style.setProperty("--n", group.faces.length);
    }
    for (const face of group.faces) {
      const figure = make("figure");
      figure.append(picture(face, (id) => setTriggerValue("opened", id)));
      if (data.selectable || face.caption) {
        const caption = make(data.selectable ? "label" : "figcaption");
        if (data.selectable) {
          const box = tick(face, (id, on) => { set(id, on); tell(); });
          ticks.set(face.id, {box, figure});
          caption.append(box);
        }
        if (face.color) caption.append(dot(face.color));
        caption.append(make("span", "", face.caption));
        figure.append(caption);
      }
      grid.append(figure);
    }
    if (data.whole_rows) trimmer.observe(grid);
    section.append(grid);
    return section;
  }));
  if (ticks.size > 1) {
    gallery.prepend(selectButtons((on) => { ticks.forEach((_, id) => set(id, on)); tell(); }));
  }
}
