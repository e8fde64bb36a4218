"""Conversion of prose steps of a derivation to Markdown."""

from __future__ import annotations

import re
from typing import Final

_PROSE: Final = re.compile(r"\\text\{([^{}]*)\}")


def as_prose(step: str) -> str | None:
    """Convert a prose step to Markdown with inline formulas, so it can wrap; return None for a pure formula."""
    if r"\text{" not in step:
        return None
    shown = []
    for odd, part in enumerate(_PROSE.split(step)):  # formula, text, formula, text, …
        core = part.strip(" ,.:;")
        if odd % 2 or not core:
            shown.append(part.replace(r"\%", "%"))
        else:
            shown.append(f"${core}${part.strip()[len(core) :]}")
    return "".join(shown).strip()
