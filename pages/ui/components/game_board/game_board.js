function board(root) {
  const make = (tag, name, parent) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    parent.append(element);
    return element;
  };
  const first = make("div", "row", root);
  const round = make("span", "", first), clock = make("span", "", first);
  const asked = make("p", "asked", root);
  asked.setAttribute("role", "status");
  const what = make("small", "", asked), name = make("strong", "", asked), hint = make("small", "", asked);
  const time = make("i", "", make("div", "time", root));
  const bar = make("div", "bar", root);
  bar.setAttribute("role", "meter");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const now = make("i", "", bar), best = make("b", "", bar);
  const last = make("div", "row", root);
  const nowText = make("span", "", last), bestText = make("span", "", last);
  const note = make("p", "note", root);
  note.setAttribute("role", "status");
  return {round, clock, what, name, hint, time, bar, now, best, nowText, bestText, note};
}

// A status is read out when it changes, so it is not touched otherwise.
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const boards = new WeakMap();

export default function ({data, parentElement}) {
  const root = parentElement.querySelector(".fer-game");
  if (!boards.has(root)) boards.set(root, board(root));
  const shown = boards.get(root);
  root.style.setProperty("--color", data.color);
  say(shown.round, data.round);
  say(shown.clock, data.clock);
  say(shown.what, data.what);
  say(shown.name, data.asked);
  say(shown.hint, data.hint);
  say(shown.nowText, `now ${data.now}`);
  say(shown.bestText, `best held ${data.best}`);
  say(shown.note, data.note);
  shown.time.style.transform = `scaleX(${data.left})`;
  shown.now.style.transform = `scaleX(${data.now / 100})`;
  shown.best.style.transform = `translateX(${data.best}%)`;
  shown.bar.setAttribute("aria-label", `How sure the network is of ${data.asked}, in percent`);
  shown.bar.setAttribute("aria-valuenow", data.now);
}
