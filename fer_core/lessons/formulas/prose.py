"""Steps of a derivation that are sentences."""

from __future__ import annotations

import re
from typing import Final

_PROSE: Final = re.compile(r"\\text\{([^{}]*)\}")


def as_prose(step: str) -> str | None:
    """A step that is a sentence, as Markdown with its formulas between dollars, so that it can wrap; None for a formula."""
    if r"\text{" not in step:
        return None
    shown = []
    for odd, part in enumerate(_PROSE.split(step)):  # formula, words, formula, words, …
        core = part.strip(" ,.:;")
        if odd % 2 or not core:
            shown.append(part.replace(r"\%", "%"))
        else:
            shown.append(f"${core}${part.strip()[len(core) :]}")
    return "".join(shown).strip()
