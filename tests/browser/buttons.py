"""Which buttons the pages have, and which of them were pressed in a browser."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_LABELED: Final = {"button": 0, "download_button": 0, "form_submit_button": 0, "popover": 0, "background": 2}
"""What draws a button, and which of its arguments is the label."""

_LISTEN = """
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const copy = button.cloneNode(true);
  copy.querySelectorAll("[data-testid=stIconMaterial]").forEach((icon) => icon.remove());
  window.ferPressed(copy.textContent.trim());
}, true);
"""


@dataclass(frozen=True)
class Button:
    """A button of a page: where it is drawn, and a pattern that its label fits."""

    place: str
    label: re.Pattern[str]


def declared() -> list[Button]:
    """Every button the pages draw by a label that stands in the code; one with a computed label stands for all it may say."""
    found = []
    for path in sorted((PROJECT_ROOT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            place = _LABELED.get(name)
            if place is not None and len(node.args) > place:
                at = f"{path.relative_to(PROJECT_ROOT)}:{node.lineno}"
                found += [Button(at, re.compile(label)) for label in _patterns(node.args[place])]
    return found


def _patterns(label: ast.expr) -> list[str]:
    """Regular expressions for what an expression may say; none for a variable, whose text stands elsewhere."""
    match label:
        case ast.Constant(str(text)):
            return [re.escape(text)]
        case ast.JoinedStr(parts):
            return ["".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts)]
        case ast.IfExp(body=yes, orelse=no):
            return [*_patterns(yes), *_patterns(no)]
    return []


def listen(context: BrowserContext, pressed: set[str]) -> None:
    """Add the label of every button pressed in a browser window to ``pressed``."""
    context.expose_binding("ferPressed", lambda _, label: pressed.add(str(label)))
    context.add_init_script(_LISTEN)


def never_pressed(pressed: set[str]) -> list[str]:
    """Place and label of each button that is not among those pressed."""
    return [
        f"{button.place}: {button.label.pattern}"
        for button in declared()
        if not any(button.label.fullmatch(label) for label in pressed)
    ]
