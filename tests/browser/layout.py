"""What a person would see is broken on a page: sideways scrolling, words cut off, controls no key reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CUT_OFF = """() => {
  const found = new Set(), edge = document.documentElement.clientWidth;
  const main = document.querySelector("[data-testid=stMain]");
  for (const e of [document.documentElement, document.body, main]) {
    if (e.scrollWidth > e.clientWidth) found.add(`${e.tagName} scrolls sideways: ${e.scrollWidth} > ${e.clientWidth}`);
  }
  const short = (node) => node.textContent.trim().replace(/\\s+/g, " ").slice(0, 60);
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest("style, script, math, [hidden]")) continue;
    if (!parent.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width < 1 || box.height < 1) continue;
    let scrolls = false, hidden = false;
    for (let e = parent; e && e !== main; e = e.parentElement) {
      const style = getComputedStyle(e), around = e.getBoundingClientRect();
      if (around.width <= 1 || around.height <= 1) { hidden = true; break; }  // words for screen readers only
      if (/auto|scroll/.test(style.overflowX)) { scrolls = true; break; }
      if (/hidden|clip/.test(style.overflowX) && (box.right > around.right + 2 || box.left < around.left - 2)) {
        found.add(`cut off at the side: ${short(node)}`);
      }
      if (/hidden|clip/.test(style.overflowY) && box.bottom > around.bottom + 4) {
        found.add(`cut off below: ${short(node)}`);
      }
    }
    if (!scrolls && !hidden && (box.right > edge + 1 || box.left < -1)) found.add(`beyond the window: ${short(node)}`);
  }
  return [...found];
}"""

_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  window.ferVisited ??= new Set();
  const again = window.ferVisited.has(e);
  window.ferVisited.add(e);
  const signature = () => {
    const near = [e, ...e.querySelectorAll("*")].slice(0, 12);
    for (let up = e.parentElement, i = 0; up && i < 4; up = up.parentElement, i++) near.push(up, ...up.children);
    return near.map((n) => {
      const s = getComputedStyle(n);
      return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor, s.color,
              s.textDecorationLine, s.opacity].join(" ");
    }).join("|");
  };
  window.ferSignature = signature;
  const name = e.getAttribute("aria-label") || e.textContent.trim() || e.title || e.name || e.tagName;
  return {name: `${e.tagName.toLowerCase()} ${name.replace(/\\s+/g, " ").slice(0, 60)}`, again, look: signature(),
          frame: e.tagName === "IFRAME"};
}"""
_BLURRED = "() => { document.activeElement.blur(); return new Promise((r) => setTimeout(() => r(window.ferSignature()), 30)); }"
_MISSED = """() => [...document.querySelectorAll("button, a[href], input, textarea, select, [role=slider], [tabindex='0']")]
  .filter((e) => e.closest("[data-testid=stMain], [data-testid=stSidebarContent]"))
  .filter((e) => e.tabIndex >= 0 && !e.disabled && e.type !== "file" && !window.ferVisited.has(e))
  .filter((e) => e.checkVisibility({visibilityProperty: true}) && e.getBoundingClientRect().width > 0)
  .filter((e) => !e.querySelector("button, a[href], input") || e.matches("button, a, input"))
  .filter((e) => {  // of choices that belong together one is reached by Tab, the others from there by arrow keys
    const group = e.closest("[role=radiogroup], [role=toolbar]");
    return !group || ![...window.ferVisited].some((other) => group.contains(other));
  })
  .map((e) => `${e.tagName.toLowerCase()} ${e.getAttribute("aria-label") || e.textContent.trim().slice(0, 60) || e.outerHTML.slice(0, 120)}`)"""


def broken_layout(page: Page) -> list[str]:
    """What scrolls sideways or is cut off at the page's present size."""
    return [str(line) for line in page.evaluate(CUT_OFF)]


SCROLLED = ("main ", "section ", "pre ")
"""Regions that Chromium lets scroll by keyboard; it marks the whole window's content by nothing, as any browser does."""


def _picture(page: Page) -> bytes:
    """What is painted where the focus was last: a table drawn on a canvas marks the cell, which no style tells."""
    box = page.evaluate("""() => {
      const box = [...window.ferVisited].at(-1).getBoundingClientRect();
      return {x: Math.max(0, box.x), y: Math.max(0, box.y), width: box.width, height: Math.min(box.height, 400)};
    }""")
    page.wait_for_timeout(120)
    return page.screenshot(clip=box)


@dataclass(frozen=True)
class Walk:
    """A walk through a page with the Tab key: names of what had the focus, of that nothing showed it, of what was missed."""

    reached: list[str]
    without_mark: list[str]
    missed: list[str]
    trapped: bool


def walk_by_tab(page: Page, most: int = 800) -> Walk:
    """Press Tab until the focus has been everywhere and comes round again."""
    page.evaluate("""() => {  // Tab goes on from the last click: an element at the very top, focused and gone, is before all
      window.ferVisited = new Set();
      const start = document.createElement("button");
      document.body.prepend(start);
      start.focus();
      start.remove();
    }""")
    reached: list[str] = []
    without_mark: list[str] = []
    stuck, came_round = 0, False
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(_FOCUSED)
        if found is None or (found["again"] and not found["frame"] and reached and found["name"] == reached[0]):
            came_round = True
            break
        stuck = stuck + 1 if reached and found["again"] else 0
        if stuck > 40:
            break
        if found["again"]:
            continue
        reached.append(found["name"])
        if not found["frame"] and not found["name"].startswith(SCROLLED):
            page.wait_for_timeout(40)  # outlines fade in
            look = page.evaluate("window.ferSignature()")
            picture = _picture(page) if found["name"].startswith("canvas ") else None
            unmarked = look == page.evaluate(_BLURRED)
            if unmarked and (picture is None or picture == _picture(page)):
                without_mark.append(found["name"])
    return Walk(reached, without_mark, [str(name) for name in page.evaluate(_MISSED)], not came_round)
