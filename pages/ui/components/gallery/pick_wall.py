"""A wall of faces with captions: a click opens a face, a tick selects it, all by mouse or keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.components.gallery.face_wall import _png
from pages.ui.shell.session import set_widget_value, widget_value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_JS = """
const latest = new WeakMap();  // for each wall: the wall last drawn and the ticks set in it

export default function ({data, parentElement, setTriggerValue, setStateValue}) {
  const wall = parentElement.querySelector(".fer-pick");
  wall.style.setProperty("--face", data.size + "px");
  const shown = JSON.stringify(data);
  if (latest.get(wall)?.shown === shown) return;  // the same faces: ticks and focus stay
  const ticked = new Set();
  latest.set(wall, {shown});
  const tell = () => setStateValue("selected", [...ticked]);

  const boxes = [];
  wall.replaceChildren(...data.rows.map((row) => {
    const section = document.createElement("section");
    if (row.title || row.note) {
      const heading = document.createElement("h4");
      heading.append(row.title);
      const note = document.createElement("small");
      note.textContent = row.note;
      heading.append(note);
      section.append(heading);
    }
    const faces = document.createElement("div");
    if (data.rows.length > 1 && row.faces.length <= 4) {  // pairs and small groups stand side by side
      section.classList.add("small");
      section.style.setProperty("--n", row.faces.length);
    }
    for (const face of row.faces) {
      const figure = document.createElement("figure");
      const open = document.createElement("button");
      open.type = "button";
      open.title = face.title;
      open.setAttribute("aria-label", "Open " + face.title);
      open.dataset.face = face.id;
      open.onclick = () => setTriggerValue("opened", face.id);
      const image = document.createElement("img");
      image.src = "data:image/png;base64," + face.png;
      image.alt = "";
      open.append(image);
      figure.append(open);
      const caption = document.createElement(data.selectable ? "label" : "figcaption");
      if (data.selectable) {
        const box = document.createElement("input");
        box.type = "checkbox";
        box.setAttribute("aria-label", "Select " + face.title);
        box.onchange = () => {
          box.checked ? ticked.add(face.id) : ticked.delete(face.id);
          figure.classList.toggle("on", box.checked);
          tell();
        };
        boxes.push({box, figure, id: face.id});
        caption.append(box);
      }
      if (face.colour) {
        const dot = document.createElement("i");
        dot.style.background = face.colour;
        caption.append(dot);
      }
      const words = document.createElement("span");
      words.textContent = face.caption;
      caption.append(words);
      figure.append(caption);
      faces.append(figure);
    }
    section.append(faces);
    return section;
  }));
  if (data.selectable && boxes.length > 1) {
    const bar = document.createElement("nav");
    for (const [name, on] of [["Select all shown", true], ["Select none", false]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.onclick = () => {
        ticked.clear();
        for (const {box, figure, id} of boxes) {
          box.checked = on;
          figure.classList.toggle("on", on);
          if (on) ticked.add(id);
        }
        tell();
      };
      bar.append(button);
    }
    wall.prepend(bar);
  }
}
"""

_CSS = """
.fer-pick { color: var(--st-text-color); font-family: var(--st-font); }
.fer-pick { display: flex; flex-wrap: wrap; align-items: flex-end; column-gap: 1.5rem; }
.fer-pick section { margin-bottom: 0.9rem; width: 100%; }
.fer-pick section.small { width: calc(var(--n) * (var(--face) + 8px)); max-width: 100%; }
.fer-pick section.small > div { grid-template-columns: repeat(var(--n), minmax(0, 1fr)); }
.fer-pick h4 { font: 600 0.95rem var(--st-font); margin: 0 0 0.3rem; padding: 0; display: flex; gap: 0.5rem;
  align-items: baseline; flex-wrap: wrap; overflow-wrap: anywhere; }
.fer-pick section.small h4 { flex-direction: column; gap: 0; }
.fer-pick h4 small { font-weight: 400; font-size: 0.85rem; opacity: 0.8; }
.fer-pick section > div { display: grid; gap: 8px;
  grid-template-columns: repeat(auto-fill, minmax(min(var(--face), 100%), 1fr)); }
.fer-pick figure { margin: 0; min-width: 0; max-width: calc(var(--face) * 1.4); border-radius: 6px; overflow: hidden;
  border: 1px solid var(--st-border-color); }
.fer-pick figure.on { border-color: var(--st-primary-color); box-shadow: 0 0 0 2px var(--st-primary-color); }
.fer-pick figure button { display: block; width: 100%; padding: 0; border: 0; background: none; cursor: zoom-in;
  line-height: 0; }
.fer-pick button:focus-visible, .fer-pick input:focus-visible { outline: 3px solid var(--st-primary-color);
  outline-offset: -2px; }
.fer-pick img { width: 100%; aspect-ratio: 1; }
.fer-pick label, .fer-pick figcaption { display: flex; gap: 5px; align-items: center; padding: 4px 6px;
  font-size: 0.78rem; line-height: 1.25; min-height: 1.9rem; }
.fer-pick label { cursor: pointer; }
.fer-pick label span, .fer-pick figcaption span { overflow-wrap: anywhere; min-width: 0; }
.fer-pick input { accent-color: var(--st-primary-color); margin: 0; flex: none; width: 1rem; height: 1rem; }
.fer-pick i { width: 0.6rem; height: 0.6rem; border-radius: 50%; flex: none; }
.fer-pick nav { width: 100%; display: flex; gap: 0.9rem; margin-bottom: 0.5rem; }
.fer-pick nav button { border: 0; background: none; padding: 0; font: 0.85rem var(--st-font); cursor: pointer;
  color: var(--st-link-color); text-decoration: underline; }
"""


@dataclass(frozen=True)
class Tile:
    """One face: what is returned for it, its pixels uint8 (48, 48), its name for people, the words beneath it."""

    id: str
    pixels: npt.NDArray[np.uint8]
    title: str
    caption: str
    colour: str | None = None


@dataclass(frozen=True)
class Group:
    """Tiles under one heading; without title and note there is none."""

    tiles: Sequence[Tile]
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Picked:
    """What a person did: the face opened just now, and the faces selected, by id."""

    opened: str | None
    selected: tuple[str, ...]


@lru_cache(maxsize=1)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fer_pick_wall", html='<div class="fer-pick"></div>', js=_JS, css=_CSS, isolate_styles=False
    )


def pick_wall(groups: Sequence[Group], *, key: str, size: int = 92, selectable: bool = True) -> Picked:
    """Show the faces; the selection lasts while the same faces are shown.

    Args:
        groups: what to show.
        key: identity on the page; another key begins with nothing selected.
        size: smallest width of a face in pixels.
        selectable: whether faces can be ticked.
    """
    data = {
        "size": size,
        "selectable": selectable,
        "rows": [
            {
                "title": group.title,
                "note": group.note,
                "faces": [
                    {
                        "id": tile.id,
                        "png": _png(tile.pixels.tobytes()),
                        "title": tile.title,
                        "caption": tile.caption,
                        "colour": tile.colour,
                    }
                    for tile in group.tiles
                ],
            }
            for group in groups
        ],
    }
    result = _component()(
        key=key,
        data=data,
        default={"selected": []},
        on_opened_change=lambda: None,
        on_selected_change=lambda: None,
    )
    known = {tile.id for group in groups for tile in group.tiles}
    selected = result.selected if isinstance(result.selected, list) else []
    return Picked(
        opened=result.opened if result.opened in known else None,
        selected=tuple(face for face in selected if face in known),
    )


def pager(total: int, per_page: int, *, key: str) -> slice:
    """Buttons to turn pages where there are several; returns what the page shows. The page is part of the state."""
    pages = max(1, -(-total // per_page))
    place = f"{key}-page"
    page = min(int(widget_value(place, 0)), pages - 1)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button("Back", icon=":material/chevron_left:", key=f"{key}-back", disabled=page == 0,
                      on_click=_turn, args=(place, page - 1))  # fmt: skip
            st.button("Next", icon=":material/chevron_right:", key=f"{key}-next", disabled=page == pages - 1,
                      on_click=_turn, args=(place, page + 1))  # fmt: skip
            first, last = page * per_page + 1, min(total, (page + 1) * per_page)
            st.caption(f"{first:,}–{last:,} of {total:,}", width="content")
    return slice(page * per_page, (page + 1) * per_page)


def _turn(place: str, page: int) -> None:
    set_widget_value(place, page)
