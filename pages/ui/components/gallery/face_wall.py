"""A wall of faces that can be clicked, by mouse or keyboard: thumbnails in rows, each row under a coloured heading."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.classes import EMOTIONS
from pages.ui.shell import cache
from pages.ui.shell.formatting import is_built_in, source_name

_JS = """
// Shows whole rows only: the last, ragged one is hidden, and not reachable by keyboard either.
function trim(grid) {
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const whole = Math.floor(grid.children.length / columns) * columns || grid.children.length;
  [...grid.children].forEach((child, i) => { child.hidden = i >= whole; });
}
const observer = new ResizeObserver((entries) => entries.forEach((entry) => trim(entry.target)));

export default function ({data, parentElement, setTriggerValue}) {
  const wall = parentElement.querySelector(".fer-wall");
  wall.style.setProperty("--face", data.size + "px");
  wall.replaceChildren(...data.rows.map((row) => {
    const section = document.createElement("section");
    const heading = document.createElement("h4");
    const dot = document.createElement("span");
    dot.style.background = row.colour;
    if (row.colour) heading.append(dot);
    heading.append(row.title);
    const note = document.createElement("small");
    note.textContent = row.note;
    heading.append(note);
    const faces = document.createElement("div");
    for (const face of row.faces) {
      const button = document.createElement("button");
      button.type = "button";
      button.title = face.title;
      button.setAttribute("aria-label", face.title);
      button.onclick = () => setTriggerValue("picked", face.id);
      const image = document.createElement("img");
      image.src = "data:image/png;base64," + face.png;
      image.alt = "";
      button.append(image);
      faces.append(button);
    }
    section.append(heading, faces);
    observer.observe(faces);
    return section;
  }));
}
"""

_CSS = """
.fer-wall section { margin-bottom: 0.9rem; }
.fer-wall h4 { font: 600 1rem var(--st-font); color: var(--st-text-color); margin: 0 0 0.35rem; padding: 0;
  display: flex; align-items: center; gap: 0.5rem; flex-wrap: wrap; }
.fer-wall h4 span { width: 0.8rem; height: 0.8rem; border-radius: 50%; flex: none; }
.fer-wall h4 small { font-weight: 400; font-size: 0.85rem; opacity: 0.75; }
.fer-wall section div { display: grid; gap: 6px; grid-template-columns: repeat(auto-fill, minmax(var(--face), 1fr)); }
.fer-wall button { padding: 0; border: 1px solid var(--st-border-color); border-radius: 6px; overflow: hidden;
  background: none; cursor: zoom-in; line-height: 0; max-width: calc(var(--face) * 1.35); }
.fer-wall button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
.fer-wall button:hover { border-color: var(--st-primary-color); }
.fer-wall img { width: 100%; aspect-ratio: 1; }
"""


@dataclass(frozen=True)
class Face:
    """One thumbnail: what is returned when it is clicked, its pixels uint8 (48, 48), and its name for people."""

    id: str
    pixels: npt.NDArray[np.uint8]
    title: str


@dataclass(frozen=True)
class Row:
    """Faces under one heading."""

    title: str
    colour: str | None
    note: str
    faces: Sequence[Face]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fer_face_wall", html='<div class="fer-wall"></div>', js=_JS, css=_CSS, isolate_styles=False
    )


def face_wall(rows: Sequence[Row], *, key: str, size: int = 72) -> str | None:
    """Show the rows; returns the id of the face clicked just now, else None.

    Args:
        rows: what to show.
        key: identity on the page.
        size: smallest width of a face in pixels; rows fill the width there is.
    """
    data = {
        "size": size,
        "rows": [
            {
                "title": row.title,
                "colour": row.colour,
                "note": row.note,
                "faces": [{"id": f.id, "png": _png(f.pixels.tobytes()), "title": f.title} for f in row.faces],
            }
            for row in rows
        ],
    }
    picked = _component()(key=key, data=data, on_picked_change=lambda: None).picked
    return picked if isinstance(picked, str) else None


def few_faces(source: str, *, key: str, title: str | None = None, each: int = 2) -> bool:
    """Some faces of each emotion of a data set, loaded with a progress bar; whether one was clicked just now.

    Raises:
        DataError: the source cannot be read.
    """
    dataset = cache.dataset(source)
    rng = np.random.default_rng(0)
    faces = [
        Face(str(i), dataset.images[i], emotion.name)
        for emotion in EMOTIONS
        for i in rng.permutation(np.flatnonzero(dataset.labels == emotion.index))[:each]
    ]
    name = title or (source_name(source) if is_built_in(source) else dataset.name)
    return face_wall([Row(name, None, dataset.counts_text(), faces)], key=key, size=64) is not None


@lru_cache(maxsize=2048)
def _png(pixels: bytes) -> str:
    """A 48×48 grey face as base64 PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.frombytes("L", (48, 48), pixels).save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()
