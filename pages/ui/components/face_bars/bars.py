"""Faces as they change: a bar for each expression and a scrolling line, drawn with few milliseconds of the browser's time.

A plotly chart that updates twice a second beside a video takes the processor from the video. This component draws the
same with plain elements and one small canvas a face.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.classes import COLOURS
from fer_core.live import LiveFace
from fer_core.live.session import HISTORY_SECONDS

MOST_FACES: Final = 4
"""Faces shown beside the video; the video itself marks them all."""
_POINTS: Final = 80  # of each line

_HTML = '<div class="fer-faces"></div>'
_CSS = """
.fer-faces { display: grid; gap: 0.9rem; color: var(--st-text-color); }
.fer-faces h4 { margin: 0; padding: 0; font-size: 1rem; font-weight: 600; }
.fer-faces header { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0.25rem 1rem; }
.fer-faces button { font: inherit; font-size: 0.85rem; color: var(--st-link-color); background: none; border: none; padding: 0;
  cursor: pointer; }
.fer-faces button:hover, .fer-faces button:focus-visible { text-decoration: underline; }
.fer-faces section { display: grid; gap: 0.4rem; border-top: 1px solid var(--st-border-color); padding-top: 0.6rem; }
.fer-faces .bars { display: grid; grid-template-columns: max-content 1fr 3ch; gap: 0.15rem 0.5rem; align-items: center;
  font-size: 0.85rem; line-height: 1.25; }
.fer-faces .track { height: 0.6rem; border-radius: 0.3rem; background: var(--st-secondary-background-color); overflow: hidden; }
.fer-faces .track i { display: block; height: 100%; border-radius: inherit; }
.fer-faces .bars span:nth-child(3n) { text-align: right; font-variant-numeric: tabular-nums; }
.fer-faces canvas { width: 100%; height: 72px; display: block; }
.fer-faces .axis { display: flex; justify-content: space-between; font-size: 0.75rem; opacity: 0.75; }
"""
_JS = """
function card(labels, colours, span) {
  const section = document.createElement("section");
  const heading = document.createElement("h4");
  const bars = document.createElement("div");
  bars.className = "bars";
  const rows = labels.map((label, i) => {
    const name = document.createElement("span"), track = document.createElement("span");
    const fill = document.createElement("i"), value = document.createElement("span");
    name.textContent = label;
    track.className = "track";
    fill.style.background = colours[i];
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
  send.title = "Opens the face as it is now in the inspector, with what the network looks at";
  const top = document.createElement("header");
  top.append(heading, send);
  section.append(top, bars, canvas, axis);
  return {section, heading, send, rows, canvas};
}

function line(canvas, face, colours, span) {
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
  colours.forEach((colour, i) => {
    pen.strokeStyle = colour;
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
    if (!made || made.rows.length !== data.labels.length) {
      if (made) made.section.remove();
      made = card(data.labels, data.colours, data.span);
      known.set(face.number, made);
    }
    if (made.section.parentElement !== root) root.append(made.section);
    made.heading.textContent = face.title;
    made.send.onclick = () => setTriggerValue("sent", face.number);
    face.bars.forEach((percent, i) => {
      made.rows[i].fill.style.width = percent + "%";
      made.rows[i].value.textContent = percent;
    });
    made.canvas.setAttribute("aria-label", `${face.title}; probabilities over the last ${data.span} seconds`);
    line(made.canvas, face, data.colours, data.span);
  }
}
"""

History = dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component("fer_live_faces", html=_HTML, js=_JS, css=_CSS, isolate_styles=False)


def live_faces(labels: tuple[str, ...], faces: tuple[LiveFace, ...], history: History) -> int | None:
    """The first faces with what they show now and what they showed over the last seconds.

    Returns the number of the face that somebody wants to send to the Upload page, once, or None.

    Args:
        labels: class names in the order of the probabilities.
        faces: of the newest frame.
        history: number -> (seconds before now, negative (n,); probabilities (n, C)).
    """
    data = faces_data(labels, faces, history)
    wanted = _component()(key="fer_live_faces", data=data, on_sent_change=lambda: None).sent
    return None if wanted is None else int(wanted)


def faces_data(labels: tuple[str, ...], faces: tuple[LiveFace, ...], history: History) -> dict[str, Any]:
    """What the component draws: percentages as whole numbers, lines thinned to what a small canvas can show."""
    shown = []
    for face in faces[:MOST_FACES]:
        times, probabilities = history.get(face.number, (np.zeros(0), np.zeros((0, len(labels)), np.float32)))
        picked = np.unique(np.linspace(0, max(0, len(times) - 1), min(_POINTS, len(times))).round().astype(int))
        answer = "not sure" if face.abstained else face.label
        shown.append(
            {
                "number": face.number,
                "title": f"Face {face.number}: {answer}, {100 * face.probability:.0f} %",
                "bars": [round(100 * float(p)) for p in face.probabilities],
                "times": [round(float(t), 2) for t in times[picked]],
                "lines": (100 * probabilities[picked]).round().astype(int).tolist(),
            }
        )
    return {
        "labels": list(labels),
        "colours": [COLOURS.get(label, "#8A8A8A") for label in labels],
        "span": round(HISTORY_SECONDS),
        "faces": shown,
    }
