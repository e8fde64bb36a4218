"""axe-core, the accessibility checker (Deque, MPL-2.0), run on a page: it comes with the test extra, from no server."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

NOT_OURS: Final[tuple[tuple[str, str, str], ...]] = ()
"""Rule, selector and reason of each fault that lies in a part we do not draw. Nothing else is left out."""

# Frames are left out: the only one is the video library's own (START, STOP, choice of camera), which we do not draw, and
# axe would wait for an answer from a copy of itself in there. The keyboard test walks through it all the same.
_RUN = """async (excepted) => {
  const found = await axe.run(document, {resultTypes: ["violations"], iframes: false});
  return found.violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .flatMap((rule) => rule.nodes
      .filter((node) => !excepted.some(([id, selector]) =>
        id === rule.id && document.querySelector(node.target[0])?.closest(selector)))
      .map((node) => ({rule: rule.id, impact: rule.impact, target: node.target.join(" "), html: node.html.slice(0, 300),
                       why: node.failureSummary})));
}"""


@lru_cache(maxsize=1)
def _source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def axe_faults(page: Page) -> list[dict[str, Any]]:
    """Serious and critical faults of the page as it stands, without those that are :data:`NOT_OURS`."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(_source())
    found: list[dict[str, Any]] = page.evaluate(_RUN, [[rule, selector] for rule, selector, _ in NOT_OURS])
    return found
